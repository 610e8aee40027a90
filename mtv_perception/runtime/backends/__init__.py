"""The engines that run a network: LiteRT always, OpenVINO where it is installed and shipped.

To add an engine, write a class with `input_view` and `run` (see `outputs.Backend`) and a function
that opens it, and enter that function in `open.ENGINES`.
"""

from mtv_perception.runtime.backends.config import EngineConfig
from mtv_perception.runtime.backends.open import open_backend

__all__ = ["EngineConfig", "open_backend"]
