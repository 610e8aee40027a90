"""Which engine runs a network, and on what; and the files it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTO, LITERT, OPENVINO = "auto", "litert", "openvino"
BACKENDS = (AUTO, LITERT, OPENVINO)
CPU = "CPU"

LITERT_FILE = "model.tflite"
OPENVINO_FILES = ("openvino/model.xml", "openvino/model.bin")


@dataclass(frozen=True)
class EngineConfig:
    """How to open a network.

    Attributes:
        num_threads: CPU threads.
        backend: one of BACKENDS; "auto" measures what is there and takes the fastest.
        device: of OpenVINO: "CPU", "GPU", "NPU", or another name that it lists. LiteRT has the CPU
            alone.
    """

    num_threads: int = 2
    backend: str = LITERT
    device: str = CPU


@dataclass(frozen=True)
class Network:
    """Verified files of one network in the forms that engines run, and what is known of it.

    Attributes:
        files: content by path in the model folder.
        hashes: SHA-256 by the same path.
        size_hw: input, pixels.
        positions: of each raw output among the LiteRT model's outputs.
        expected: shape of each raw output without the batch axis.
    """

    files: Mapping[str, bytes] = field(repr=False)
    hashes: Mapping[str, str]
    size_hw: tuple[int, int]
    positions: Mapping[str, int]
    expected: Mapping[str, tuple[int, ...]]
