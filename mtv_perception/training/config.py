"""Everything a training run is made from; one YAML file an experiment (see config/train/)."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtv_perception.config import Rule, setting
from mtv_perception.data.augment import AugmentConfig
from mtv_perception.data.formats.open import DatasetConfig
from mtv_perception.data.targets import MatchConfig
from mtv_perception.network.config import NetworkConfig
from mtv_perception.training.losses.config import LossConfig

CONFIG_FILE = "config.yaml"
"""A run's configuration, in its folder."""

NO_WEIGHTS = "none"
"""What `pretrained` and `initial` may say for nothing."""


@dataclass(frozen=True)
class OptimiserConfig:
    """How it is minimised."""

    name: str = setting("adamw", "Update rule.", choices=("adamw", "sgd"))
    learning_rate: float = setting(1e-3, "Peak learning rate.", low=0, high=10)
    warmup: int = setting(200, "Steps of linear warm-up.", low=0)
    weight_decay: float = setting(
        1e-4, "Decoupled weight decay (not on biases and norms).", low=0, high=1
    )
    clip_norm: float = setting(10.0, "Largest global gradient norm; 0 for none.", low=0)
    ema: float = setting(
        0.998,
        "Decay of the averaged weights that are evaluated and exported; 0 for none.",
        low=0,
        high=0.99999,
    )


@dataclass(frozen=True)
class TrainConfig:
    """A run."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    pretrained: str = setting(
        "",
        "Backbone weights: a .h5, .keras or .pb file, the name of an installed package that carries one, or none.",
    )
    initial: str = setting(
        "",
        "Weights to begin with: of a run folder, a checkpoint, or an exported model (a folder, or a name like "
        "warehouse). Another input size is fine.",
    )
    initial_from: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "rule": Rule(
                "Class of this network to the class of `initial` whose weights it begins with; "
                "classes of the same name need no entry.",
                key="from",
            )
        },
    )
    train: tuple[DatasetConfig, ...] = ()
    validation: tuple[DatasetConfig, ...] = ()
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    match: MatchConfig = field(default_factory=MatchConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batch_size: int = setting(16, "Images a step, over all devices.", low=1)
    steps: int = setting(2000, "Length of the run.", low=1)
    minutes: float = setting(
        0.0,
        "Longest time of the run; its learning rate then follows the clock. 0: steps alone count.",
        low=0.0,
    )
    validate_every: int = setting(500, "Steps between validations.", low=1)
    validate_first: bool = setting(
        False, "Also judge the weights the run begins with; they may be the best."
    )
    checkpoint_every: int = setting(100, "Steps between checkpoints.", low=1)
    monitor: tuple[str, ...] = setting(
        ("map", "miou"), "Validation figures whose mean picks the best checkpoint."
    )
    freeze_norms: str = setting(
        "none",
        "Batch norms that are not trained. `statistics`: all keep their statistics only.",
        choices=("none", "backbone", "all", "statistics"),
    )
    freeze: tuple[str, ...] = setting(
        (), "Layers, by the beginning of their name, that are not trained at all."
    )
    mixed_precision: str = setting(
        "float32",
        "Number format of the layers; half formats pay on GPUs.",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    devices: int = setting(
        0, "Devices to spread a batch over; 0 takes every GPU, or one CPU.", low=0
    )
    workers: int = setting(2, "Images prepared at once.", low=1)
    seed: int = setting(1, "Of everything random.", low=0)

    def __post_init__(self) -> None:
        for name in ("pretrained", "initial"):
            if getattr(self, name) == NO_WEIGHTS:
                object.__setattr__(self, name, "")
        self.losses.weights_of(self.network.labels)
        if self.freeze_norms == "statistics" and not self.initial:
            raise ValueError("freeze_norms: `statistics` expected an `initial`, got none.")
        unknown = [name for name in self.initial_from if name not in self.network.names[1:]]
        if unknown:
            known = ", ".join(self.network.names[1:])
            raise ValueError(f"Expected classes of {known} under `from`, got {unknown[0]!r}.")
