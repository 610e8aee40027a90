"""What runs on the robot: an exported model, LiteRT, NumPy and OpenCV. Never TensorFlow."""

from mtv_perception.runtime.artefact import Artefact, ModelSpec, load_artefact
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

__all__ = ["Artefact", "ModelSpec", "Perceiver", "PerceiverConfig", "load_artefact"]
