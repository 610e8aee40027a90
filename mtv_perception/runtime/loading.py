"""From the name of a model to a perceiver that was tested.

Found, verified, tried in a child process, warmed up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtv_perception.runtime.artefact import Artefact, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.runtime.trial import open_tested, try_in_child


@dataclass(frozen=True)
class ModelSource:
    """Where a model is, and what it must satisfy.

    Attributes:
        name: of a model of the package, or a folder.
        folders: that it must lie in; any where empty.
        public_key: file of the key that its signature must fit; no signature is needed where empty.
        timeout: seconds that its test in a child process may take.
    """

    name: str
    folders: tuple[str, ...] = ()
    public_key: str = ""
    timeout: float = 20.0

    def read(self) -> Artefact:
        """The verified artefact.

        Raises:
            ArtefactError: it is not there, not allowed, not signed, or damaged.
        """
        key = Path(self.public_key).expanduser() if self.public_key else None
        return load_artefact(find_model(self.name, self.folders), key)


def check_model(
    source: ModelSource, config: PerceiverConfig, meanwhile: Callable[[], None] | None = None
) -> Artefact:
    """Read a model and run it in a child process, so that one that crashes takes nothing else down.

    Args:
        source: of the model.
        config: how it will be read.
        meanwhile: called again and again until the child has ended.

    Raises:
        ArtefactError: the model can't be loaded, crashes, hangs, or computes something else than at
            its export.
        ConfigError: the settings do not fit its classes.
    """
    artefact = source.read()
    config.thresholds(artefact.spec)
    config.suppressed(artefact.spec)
    config.people(artefact.spec)
    try_in_child(artefact, config.engine, source.timeout, meanwhile)
    return artefact


def load_perceiver(
    source: ModelSource, config: PerceiverConfig, meanwhile: Callable[[], None] | None = None
) -> Perceiver:
    """A perceiver that has run: checked as by `check_model`, then loaded.

    Tested and warmed up in this process.

    Args:
        source: of the model.
        config: how it will be read.
        meanwhile: called again and again while the model is tested.

    Raises:
        ArtefactError, ConfigError: see check_model.
    """
    return open_tested(check_model(source, config, meanwhile), config)
