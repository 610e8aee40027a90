"""The model in service: called by the worker, replaced between two frames by one that proved itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from mtv_perception.errors import ArtefactError, MtvError
from mtv_perception.ros.config import Settings
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver, PerceiverConfig
from mtv_perception.types import Result

_WARM_UP_RUNS = 2


def load_perceiver(model: str, config: PerceiverConfig) -> Perceiver:
    """A perceiver that has run: loaded, verified, warmed up and self-tested.

    Raises:
        ArtefactError: the model can't be loaded, or answers with numbers that are none.
        ConfigError: the settings do not fit its classes.
    """
    perceiver = Perceiver(load_artefact(find_model(model)), config)
    height, width = perceiver.spec.size_hw
    grey = np.full((height, width, 3), 127, np.uint8)
    for _ in range(_WARM_UP_RUNS):
        result = perceiver(grey)
    if not np.isfinite(result.detections.boxes_xyxy).all() or result.segmentation.class_ids.shape != (
        height,
        width,
    ):
        raise ArtefactError(f"{model}: self-test failed: expected finite boxes and a {height}x{width} mask.")
    return perceiver


class Engine:
    """The perceiver in service.

    Args:
        settings: which model and how to read it.

    Raises:
        ArtefactError, ConfigError: see load_perceiver.
    """

    def __init__(self, settings: Settings) -> None:
        self._perceiver = load_perceiver(settings.node.model, settings.perceiver)
        self._generation = 0
        self._pending_config: PerceiverConfig | None = None
        self._pending_perceiver: Perceiver | None = None
        self._loading = threading.Lock()

    @property
    def perceiver(self) -> Perceiver:
        """The one in service."""
        return self._perceiver

    @property
    def version(self) -> int:
        """Rises with the model's own version and with every reload."""
        return self._perceiver.spec.version + self._generation

    def configure(self, config: PerceiverConfig) -> None:
        """Take settings over before the next frame."""
        self._pending_config = config

    def __call__(self, image_rgb: np.ndarray) -> Result:
        """See one image; only the worker's thread calls this."""
        replacement, self._pending_perceiver = self._pending_perceiver, None
        if replacement is not None:
            self._perceiver = replacement
        config, self._pending_config = self._pending_config, None
        if config is not None:
            self._perceiver.config = config
        return self._perceiver(image_rgb)

    def reload_async(self, settings: Settings, done: Callable[[str], None]) -> None:
        """Load a model in the background; it serves from the next frame on, or the old one stays.

        Args:
            settings: model and how to read it.
            done: called from the loading thread with "" or what went wrong.
        """
        threading.Thread(target=self._reload, args=(settings, done), name="model-loader", daemon=True).start()

    def _reload(self, settings: Settings, done: Callable[[str], None]) -> None:
        with self._loading:
            try:
                replacement = load_perceiver(settings.node.model, settings.perceiver)
            except MtvError as error:
                done(str(error))
                return
            self._generation += 1
            self._pending_perceiver = replacement
        done("")
