"""The networks, in Keras: MobileNetV2, SSDLite and DeepLabV3+ joined into one model with raw outputs."""

__all__ = [
    "class_rows",
    "config",
    "deeplabv3plus",
    "layers",
    "loading",
    "multitask",
    "preset_boxes",
    "reference_system",
    "summary",
    "weights",
]
