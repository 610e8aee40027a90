"""The hall and what stands in it: racks, rails, marks on the floor."""
