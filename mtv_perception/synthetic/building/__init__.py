"""The hall and what stands in it: racks, rails, marks on the floor."""

__all__ = ["building", "distractors", "floor_marks", "rails", "storage"]
