"""What watches over the node: diagnoses, the watchdog, the images' health, the service manager."""

__all__ = ["diagnosis", "image_health", "notify", "watchdog"]
