"""Pixels and frames from images and videos.

One decoder, one order of files, one list of suffixes.
"""
