"""Names of topics that several launch files agree on. No rclpy."""


def compressed_of(image_topic: str) -> str:
    """The topic of the compressed images beside an image topic, as image_transport names it."""
    return image_topic if image_topic.endswith("/compressed") else f"{image_topic}/compressed"
