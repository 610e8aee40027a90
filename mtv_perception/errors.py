"""The errors this package raises at its input/output boundaries.

A bad argument is a plain ValueError.
"""


class MtvError(Exception):
    """Base of every error this package raises about things outside the program."""


class ConfigError(MtvError):
    """A configuration file or parameter is not what its dataclass declares."""


class ArtefactError(MtvError):
    """A model artefact is missing, corrupt, or not of the format this version reads."""


class DatasetError(MtvError):
    """A data set is missing, empty, or contradicts itself; the text lists every fault found."""


class ImageError(MtvError):
    """An image can't be decoded: truncated, of an unknown encoding, or of an impossible size."""


class ImageSizeError(ImageError):
    """An image has more pixels than the limit of who reads it."""


class ReplayError(MtvError):
    """A bag, video or image folder can't be read or written."""


class WeightsError(MtvError):
    """Pretrained weights do not fit the network they are imported into."""
