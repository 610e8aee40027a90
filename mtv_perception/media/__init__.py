"""Pixels and frames from images and videos: one decoder, one order of files, one list of suffixes."""
