"""The perception node and its parts."""
