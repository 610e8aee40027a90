"""The model in service: called by the worker, replaced between two frames by one that proved itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.ros.perception.config import Settings
from mtv_perception.runtime.artefact import ModelSpec, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver, PerceiverConfig

_WARM_UP_RUNS = 2


def load_perceiver(model: str, config: PerceiverConfig) -> Perceiver:
    """A perceiver that has run: loaded, verified, warmed up and self-tested.

    Raises:
        ArtefactError: the model can't be loaded, or answers with numbers that are none.
        ConfigError: the settings do not fit its classes.
    """
    artefact = load_artefact(find_model(model))
    try:
        perceiver = Perceiver(artefact, config)
    except ValueError as error:
        raise ConfigError(f"{model}: {error}") from error
    height, width = perceiver.spec.size_hw
    grey = np.full((height, width, 3), 127, np.uint8)
    for _ in range(_WARM_UP_RUNS):
        result = perceiver(grey)
    if not np.isfinite(
        result.detections.boxes_xyxy
    ).all() or result.segmentation.class_ids.shape != (
        height,
        width,
    ):
        raise ArtefactError(
            f"{model}: self-test failed: expected finite boxes and a {height}x{width} mask."
        )
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
        self._in_service = settings
        self._config: PerceiverConfig = settings.perceiver
        self._version = self._perceiver.spec.version
        self._exchange = threading.Lock()
        self._loading = threading.Lock()

    @property
    def spec(self) -> ModelSpec:
        """Of the model in service."""
        return self._perceiver.spec

    @property
    def backend(self) -> str:
        """The engine that runs the model in service, and why where that was measured."""
        return self._perceiver.engine

    @property
    def version(self) -> int:
        """The model's own version; rises with every reload."""
        return self._version

    def configure(self, config: PerceiverConfig) -> None:
        """Take settings over before the next frame."""
        with self._exchange:
            self._config = config

    def current(self) -> Perceiver:
        """The perceiver of the next frame, its settings up to date; only the worker's thread calls this."""
        with self._exchange:
            perceiver, config = self._perceiver, self._config
        if perceiver.config is not config:
            perceiver.config = config
        return perceiver

    def means_the_same(self, perceiver: Perceiver) -> bool:
        """Whether its class ids mean what those of the model in service do."""
        return perceiver.spec.classes == self._perceiver.spec.classes

    def reload_async(self, settings: Settings | None, done: Callable[[str], None]) -> None:
        """Load a model in the background; it serves from the next frame on, or the old one stays.

        Args:
            settings: model and how to read it; None for those in service when its turn comes.
            done: called from the loading thread with "" or what went wrong.
        """
        threading.Thread(
            target=self._reload, args=(settings, done), name="model-loader", daemon=True
        ).start()

    def refresh_async(self, done: Callable[[str], None]) -> None:
        """The same with the model in service, where its perceiver is beyond use."""
        self.reload_async(None, done)

    def _reload(self, settings: Settings | None, done: Callable[[str], None]) -> None:
        fault = ""
        with self._loading:
            settings = settings or self._in_service
            try:
                self._put_in_service(load_perceiver(settings.node.model, settings.perceiver))
                self._in_service = settings
            except Exception as error:  # Whatever is wrong with the new model, the old one goes on.
                fault = str(error) or type(error).__name__
        done(fault)

    def _put_in_service(self, replacement: Perceiver) -> None:
        with self._exchange:
            if replacement.config is not self._config:  # Changed while the model was loading.
                replacement.config = self._config
            self._perceiver = replacement
            self._version = max(self._version + 1, replacement.spec.version)
