"""What a user may set on the perception node, beside the perceiver's own settings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from mtv_perception.config import check_cameras, setting
from mtv_perception.media.encodings import MAX_PIXELS
from mtv_perception.runtime.backends.config import AUTO, BACKENDS
from mtv_perception.runtime.loading import ModelSource
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.tracking.tracker import TrackerConfig


@dataclass(frozen=True)
class NodeConfig:
    """Topics, timing and behaviour of the node. Flat, so that every field is one ROS parameter."""

    model: str = setting(
        "warehouse", "Model folder, or the name of one that comes with the package."
    )
    model_folders: tuple[str, ...] = setting(
        (), "Folders that `model` must lie in. Empty: any folder.", read_only=True
    )
    model_public_key: str = setting(
        "",
        "File of an ed25519 public key (PEM): only models with a valid `model.yaml.sig` are loaded. Empty: any.",
        read_only=True,
    )
    model_timeout: float = setting(
        20.0,
        "A model that is not loaded and tested within this long (s) is refused.",
        low=1.0,
        high=600.0,
    )
    lock_parameters: bool = setting(
        False,
        "Refuse changes of parameters, and ~/reload_model, while the node is active.",
        read_only=True,
    )
    autostart: bool = setting(
        True, "Configure and activate at start, without a lifecycle manager.", read_only=True
    )
    cameras: tuple[str, ...] = setting(
        (),
        "Names of several cameras: each has its topics under its name. Empty: one camera, topics without a prefix.",
        read_only=True,
    )
    camera_weights: tuple[float, ...] = setting(
        (),
        "Shares of the cameras, one number each, while images of all of them wait. Empty: equal shares.",
        low=0.1,
        high=10.0,
    )
    camera_max_rates: tuple[float, ...] = setting(
        (),
        "Most images a second of each camera that are processed, one number each, 0 for no limit. Empty: no limits.",
        low=0.0,
        high=1000.0,
    )
    transport: str = setting(
        "raw",
        "Form of the input: sensor_msgs/Image on `image`, or CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
        read_only=True,
    )
    image_reliability: str = setting(
        "best_effort",
        "Quality of service of the image subscription.",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    mask_reliability: str = setting(
        "reliable",
        "Quality of service of the mask and picture topics; reliable serves all subscribers.",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    camera_info: bool = setting(
        False, "Subscribe to `camera_info` and publish it, scaled, beside the mask.", read_only=True
    )
    class_id_as: str = setting(
        "name",
        "What ObjectHypothesis.class_id holds: the class name, or the numeric id as text.",
        choices=("name", "id"),
    )
    max_pixels: int = setting(
        MAX_PIXELS,
        "Images of more pixels fail before they are decoded; memory grows with it.",
        low=1,
        high=100_000_000,
    )
    check_images: bool = setting(
        True,
        "Report pictures that are frozen, dark, overexposed, covered, partly_covered, noise or cut. Cameras that "
        "share a topic are always reported.",
        read_only=True,
    )
    frozen_after: float = setting(
        2.0,
        "Images without new pixels for this long (s) are reported as frozen; 0: never.",
        low=0.0,
        high=3600.0,
    )
    publish_mask: bool = setting(True, "Publish segmentation/mask while someone subscribes.")
    publish_confidence: bool = setting(
        True, "Publish segmentation/confidence while someone subscribes."
    )
    track: bool = setting(
        False, "Fill Detection2D.id with ids that stay with an object from image to image."
    )
    max_age: float = setting(
        0.0,
        "Images older than this (s, by their stamp) are counted as stale and not processed; 0: never.",
        low=0.0,
        high=3600.0,
    )
    time_jump: float = setting(
        1.0,
        "A stamp further back than this (s) is a new timeline (a bag loop), not an image out of order.",
        low=0.0,
        high=3600.0,
    )
    camera_timeout: float = setting(
        2.0,
        "Without an image for this long (s) diagnostics report an error.",
        low=0.05,
        high=3600.0,
    )
    network_timeout: float = setting(
        5.0,
        "A frame in work for longer than this (s) is given up, and the model is loaded again; also the pause between "
        "two such recoveries.",
        low=0.1,
        high=3600.0,
    )

    def __post_init__(self) -> None:
        check_cameras(self.cameras)
        for name in ("camera_weights", "camera_max_rates"):
            values, expected = getattr(self, name), len(self.camera_names)
            if len(values) not in (0, expected):
                raise ValueError(
                    f"{name}: expected {expected} numbers, one a camera, or none, got {list(values)}."
                )

    @property
    def source(self) -> ModelSource:
        """Where the model is, and what it must satisfy."""
        return ModelSource(
            self.model, self.model_folders, self.model_public_key, self.model_timeout
        )

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras' names; that of a single one is empty."""
        return self.cameras or ("",)

    def longest_pause(self, camera: str) -> float:
        """Seconds from one result of a camera to the next after which something is wrong.

        `camera_timeout`, or two results of a camera whose rate is limited to less.
        """
        rates = dict(zip(self.camera_names, self.camera_max_rates, strict=False))
        rate = rates.get(camera, 0.0)
        return max(self.camera_timeout, 2 / rate if rate else 0.0)


@dataclass(frozen=True)
class RobotPerceiverConfig(PerceiverConfig):
    """As offline, but in the fastest engine: offline the same input gives the same numbers."""

    backend: str = setting(
        AUTO,
        "Engine of the network. auto: the fastest that is installed and in the model folder.",
        choices=BACKENDS,
        read_only=True,
    )


@dataclass(frozen=True)
class Settings:
    """All of it."""

    node: NodeConfig
    perceiver: RobotPerceiverConfig
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


SECTIONS: dict[str, type] = {
    "node": NodeConfig,
    "perceiver": RobotPerceiverConfig,
    "tracker": TrackerConfig,
}
FIELD_SECTION = {item.name: section for section, cls in SECTIONS.items() for item in fields(cls)}
"""Which section each parameter belongs to."""
