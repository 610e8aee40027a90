"""How the results of a model under some settings are to be read: what every status message says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtv_perception.runtime.artefact import ModelSpec

if TYPE_CHECKING:
    from mtv_perception.runtime.perceiver import PerceiverConfig

# No detection reaches more: the threshold of a class that is never detected.
_NEVER = 1.0


@dataclass(frozen=True)
class Reading:
    """Fields of PerceptionStatus of the same names; see there.

    Attributes:
        model_id: short text that identifies the model.
        model_hash: SHA-256 of the model file.
        classes: names by id, the background first.
        score_thresholds: in force, in the order of `classes`.
        model_thresholds: the model's own, in the order of `classes`.
        box_classes: trained for boxes.
        mask_classes: trained for masks.
        suppressed_classes: dropped where the mask shows none.
    """

    model_id: str
    model_hash: str
    classes: tuple[str, ...]
    score_thresholds: tuple[float, ...]
    model_thresholds: tuple[float, ...]
    box_classes: tuple[str, ...]
    mask_classes: tuple[str, ...]
    suppressed_classes: tuple[str, ...]


def reading_of(spec: ModelSpec, config: PerceiverConfig) -> Reading:
    """How results of a model are to be read.

    ConfigError when the settings do not fit its classes.
    """

    def thresholds(values: PerceiverConfig) -> tuple[float, ...]:
        by_name = dict(zip(spec.labels.foreground, values.thresholds(spec).tolist(), strict=True))
        return tuple(
            by_name[name] if name in spec.box_classes else _NEVER for name in spec.labels.names
        )

    return Reading(
        spec.model_id,
        spec.sha256,
        spec.labels.names,
        thresholds(config),
        thresholds(type(config)()),
        spec.box_classes,
        spec.mask_classes,
        config.suppress_absent,
    )
