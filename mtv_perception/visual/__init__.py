"""Pictures on the robot: overlays and colour masks. One palette everywhere (see labels)."""

from mtv_perception.visual.overlay import colour_mask, draw_overlay
from mtv_perception.visual.video import VideoWriter

__all__ = ["VideoWriter", "colour_mask", "draw_overlay"]
