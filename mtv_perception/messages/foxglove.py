"""Boxes and labels as Foxglove's ImageAnnotations.

Drawn over the camera image by the viewer, without a second image.

The definitions follow foxglove_msgs, https://docs.foxglove.dev/docs/sdk/schemas/image-annotations;
fields added to these messages later are optional to viewers, which read fields by name.
"""

from __future__ import annotations

from typing import Any

from mtv_perception.labels import LabelSet
from mtv_perception.messages.builder import MessageBuilder
from mtv_perception.types import Detections

ANNOTATIONS = "foxglove_msgs/msg/ImageAnnotations"

DEFINITIONS = {
    "foxglove_msgs/msg/Point2": "float64 x\nfloat64 y\n",
    "foxglove_msgs/msg/Color": "float64 r\nfloat64 g\nfloat64 b\nfloat64 a\n",
    "foxglove_msgs/msg/CircleAnnotation": """\
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
float64 diameter
float64 thickness
foxglove_msgs/Color fill_color
foxglove_msgs/Color outline_color
""",
    "foxglove_msgs/msg/PointsAnnotation": """\
builtin_interfaces/Time timestamp
uint8 UNKNOWN=0
uint8 POINTS=1
uint8 LINE_LOOP=2
uint8 LINE_STRIP=3
uint8 LINE_LIST=4
uint8 type
foxglove_msgs/Point2[] points
foxglove_msgs/Color outline_color
foxglove_msgs/Color[] outline_colors
foxglove_msgs/Color fill_color
float64 thickness
""",
    "foxglove_msgs/msg/TextAnnotation": """\
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
string text
float64 font_size
foxglove_msgs/Color text_color
foxglove_msgs/Color background_color
""",
    ANNOTATIONS: """\
foxglove_msgs/CircleAnnotation[] circles
foxglove_msgs/PointsAnnotation[] points
foxglove_msgs/TextAnnotation[] texts
""",
}

_LINE_LOOP = 2
_THICKNESS = 2.0
_FONT_SIZE = 14.0


def image_annotations(
    build: MessageBuilder, found: Detections, labels: LabelSet, header: Any
) -> Any:
    """Each detection as a closed outline and a label in its class's colour."""
    points, texts = [], []
    rows = zip(
        found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
    )
    for box, score, class_id in rows:
        colour = _colour(build, labels.colour(class_id))
        points.append(
            build.make(
                "foxglove_msgs/msg/PointsAnnotation",
                timestamp=header.stamp,
                type=_LINE_LOOP,
                points=[_point(build, box[x], box[y]) for x, y in ((0, 1), (2, 1), (2, 3), (0, 3))],
                outline_color=colour,
                outline_colors=[],
                fill_color=_colour(build, (0, 0, 0), 0.0),
                thickness=_THICKNESS,
            )
        )
        texts.append(
            build.make(
                "foxglove_msgs/msg/TextAnnotation",
                timestamp=header.stamp,
                position=_point(build, box[0], max(box[1], _FONT_SIZE)),
                text=f"{labels.names[class_id]} {score:.2f}",
                font_size=_FONT_SIZE,
                text_color=_colour(build, (255, 255, 255)),
                background_color=_colour(build, (32, 32, 32), 0.7),
            )
        )
    return build.make(ANNOTATIONS, circles=[], points=points, texts=texts)


def _point(build: MessageBuilder, x: float, y: float) -> Any:
    return build.make("foxglove_msgs/msg/Point2", x=float(x), y=float(y))


def _colour(build: MessageBuilder, rgb: tuple[int, int, int], alpha: float = 1.0) -> Any:
    red, green, blue = (value / 255 for value in rgb)
    return build.make("foxglove_msgs/msg/Color", r=red, g=green, b=blue, a=alpha)
