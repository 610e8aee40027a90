"""Frames from images and videos, and the pixels of image messages."""
