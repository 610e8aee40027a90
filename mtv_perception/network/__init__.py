"""The networks, in Keras: MobileNetV2, SSDLite and DeepLabV3+ joined into one model with raw outputs."""
