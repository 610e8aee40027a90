"""What a network is taught: the losses of the three tasks over a batch, on any backend of Keras."""

from __future__ import annotations

from keras import ops

from mtv_perception.geometry.codec import Variances
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.training.losses.alignment import alignment
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.losses.detection import (
    CLASS_LOSSES,
    Tensor,
    box_loss,
)
from mtv_perception.training.losses.segmentation import SEGMENTATION_LOSSES

Batch = dict[str, Tensor]


class MultitaskLoss:
    """The losses of the three tasks over a batch; on several replicas, the share of one in them.

    Args:
        network: whose outputs are judged.
        config: which losses.
    """

    def __init__(self, network: MultitaskNetwork, config: LossConfig) -> None:
        self._class_weights = config.weights_of(network.config.labels)
        loss = CLASS_LOSSES.get(config.classes)
        if loss is None or loss.scores != network.scores:
            raise ValueError(
                f"Expected a class loss that fits {network.scores} scores, got {config.classes!r}."
            )
        self._config, self._class_loss = config, loss
        self._defaults = ops.convert_to_tensor(network.default_boxes.boxes_cxcywh(), "float32")
        self._variances = ops.convert_to_tensor(tuple(Variances()), "float32")

    def __call__(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The loss of each task (scalars) from raw outputs and a batch of targets."""
        config = self._config
        outputs = {name: ops.cast(value, "float32") for name, value in outputs.items()}
        # Masks may be finer than logits (`mask_scale`): the robot too compares classes after
        # upsampling.
        logits = ops.image.resize(
            outputs["segmentation_logits"], tuple(batch["mask"].shape[1:]), "bilinear"
        )
        pixels = [
            weight
            * SEGMENTATION_LOSSES[name](
                logits, batch["mask"], batch["mask_known"], self._class_weights
            )
            for name, weight in config.segmentation.items()
        ]
        classes, boxes = self._detection(outputs["class_logits"], outputs["box_offsets"], batch)
        return {
            "classes": classes,
            "boxes": boxes,
            "segmentation": sum(pixels) if pixels else ops.zeros(()),
        }

    def _detection(self, logits: Tensor, offsets: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The losses of class logits and of box offsets."""
        loss, classes, truth = self._class_loss, batch["classes"], batch["boxes_xyxy"]
        codec = (self._defaults, self._variances)
        if loss.is_aligned:
            quality = alignment(logits, offsets, classes, batch["objects"], truth, *codec)
            scores = loss.function(logits, classes, batch["known"], quality)
        else:
            quality = None
            scores = loss.function(logits, classes, batch["known"])
        return scores, box_loss(self._config.boxes, offsets, truth, classes, *codec, quality)
