"""A drive through a rendered hall: moving people and machines, a moving camera, and their exact truth."""
