"""Forklifts of every kind."""
