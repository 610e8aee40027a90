"""A web page of one camera: overlay, zones, a view from above and figures, in any browser.

Read-only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nav_msgs.msg import OccupancyGrid  # type: ignore[import-untyped,unused-ignore]
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from mtv_perception.config import fixed
from mtv_perception.errors import ConfigError, ImageError
from mtv_perception.msg import PerceptionStatus, ZoneStateArray
from mtv_perception.ros.conversions import image_to_rgb
from mtv_perception.ros.diagnostics import shorten
from mtv_perception.ros.parameters import NodeParameters
from mtv_perception.ros.qos import RELIABILITY, newest_only, overridable
from mtv_perception.ros.tools.view_parts import (
    counts_by_class,
    floor_cells,
    places,
    zone_outlines,
    zone_states,
)
from mtv_perception.ros.tools.view_state import ViewState
from mtv_perception.ros.tools.web_server import WebServer
from mtv_perception.visual.anonymise import has_mark

_CHECK_PERIOD_S = 0.2
_COUNTERS = ("received", "processed", "dropped", "stale", "failed", "detections")


@dataclass(frozen=True)
class WebViewConfig:
    """What a user may set on the web view, at start."""

    host: str = fixed("127.0.0.1", "Address to listen on; 0.0.0.0 shows the page to the network.")
    names: tuple[str, ...] = fixed(
        (), "Further names by which browsers may call this machine, beside its own and addresses."
    )
    port: int = fixed(8080, "Port to listen on; 0 for any free one.", low=0, high=65535)
    reliability: str = fixed(
        "best_effort", "Quality of service of the overlay.", choices=tuple(RELIABILITY)
    )
    anonymise: bool = fixed(
        False,
        "Show only pictures whose people are pixelated: `overlay/compressed` of a perception node "
        "with `anonymise`. Other pictures are refused.",
    )


class WebViewNode(Node):
    """Subscribes to `overlay` (only while someone watches) and `perception/status`.

    And serves them.

    Attributes:
        port: where the page is.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("web_view", **kwargs)
        config = NodeParameters(self, WebViewConfig).read()
        self._state = ViewState()
        try:
            self._server = WebServer(self._state, config.host, config.port, config.names)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"Expected a free address, got {config.host}:{config.port}: {error}"
            ) from error
        self.port = self._server.port
        self._qos = newest_only(config.reliability)
        self._overlay: Any = None
        # What is watched while someone looks.
        self._pictures: tuple[type, str, Callable[[Any], None]] = (
            (CompressedImage, "overlay/compressed", self._show_anonymised)
            if config.anonymise
            else (Image, "overlay", self._show)
        )
        overridable(
            self.create_subscription,
            PerceptionStatus,
            "perception/status",
            self._report,
            QoSProfile(depth=5),
        )
        self._listen()
        self.create_timer(_CHECK_PERIOD_S, self._follow_watchers)
        self.get_logger().info(f"http://{config.host}:{self.port}/")

    def _listen(self) -> None:
        """Everything beside the overlay is small, and is kept up to date for whoever comes."""
        for kind, topic, part, read in (
            (Detection2DArray, "detections", "counts", counts_by_class),
            (ZoneStateArray, "zones/zones", "zones", zone_states),
            (MarkerArray, "zones/markers", "outlines", zone_outlines),
            (Detection3DArray, "detections_3d", "objects", places),
            (OccupancyGrid, "floor", "floor", floor_cells),
        ):
            keep = self._keeper(part, read)
            overridable(self.create_subscription, kind, topic, keep, QoSProfile(depth=1))

    def _keeper(self, part: str, read: Callable[[Any], Any]) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            self._state.tell(part, read(message))

        return keep

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _follow_watchers(self) -> None:
        """The perception node draws overlays only while someone subscribes.

        So does this node only when asked.
        """
        if self._state.watched and self._overlay is None:
            self._overlay = overridable(self.create_subscription, *self._pictures, self._qos)
        elif not self._state.watched and self._overlay is not None:
            self.destroy_subscription(self._overlay)
            self._overlay = None

    def _show(self, message: Image) -> None:
        try:
            self._state.show(image_to_rgb(message))
        except ImageError as error:
            self.get_logger().warning(
                f"overlay refused: {shorten(str(error))}", throttle_duration_sec=5.0
            )

    def _show_anonymised(self, message: CompressedImage) -> None:
        jpeg = bytes(message.data)
        if has_mark(jpeg):
            self._state.show_jpeg(jpeg)
            return
        self.get_logger().error(
            "overlay refused: expected a picture whose people are pixelated, got another; set "
            "`anonymise` on the perception node",
            throttle_duration_sec=5.0,
        )

    def _report(self, status: PerceptionStatus) -> None:
        total, network = float(status.stamp_to_publish_ms), float(status.network_ms)
        if math.isfinite(total) and math.isfinite(network):
            counters = {name: int(getattr(status, name)) for name in _COUNTERS}
            self._state.report(shorten(status.model_id), counters, total, network)
