"""Pixels and frames from images and videos.

One decoder, one order of files, one list of suffixes.
"""

from mtv_perception.media.decode import decode_compressed, image_size, read_image
from mtv_perception.media.encodings import decode_raw
from mtv_perception.media.files import image_files, lazy_files
from mtv_perception.media.frame import Frame

__all__ = [
    "Frame",
    "decode_compressed",
    "decode_raw",
    "image_files",
    "image_size",
    "lazy_files",
    "read_image",
]
