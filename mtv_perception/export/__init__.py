"""From a trained network to a LiteRT artefact, and the proof that both say the same."""

__all__ = ["artefact", "onnx_file", "openvino", "report", "source"]
