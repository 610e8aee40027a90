"""PicoDet (PaddleDetection, Apache-2.0), from an ONNX file without its post-processing.

Yu et al., PP-PicoDet (2021), section 3: the distance to each side of a box is the mean of a
distribution, on cells of four strides.
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import WeightsError
from mtv_perception.evaluation.settings import MAX_DETECTIONS, PEER_IOU_THRESHOLD, SCORE_THRESHOLD
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections, Result, Segmentation, Timing

_STRIDES, _BINS = (8, 16, 32, 64), 8
_COCO_PERSON = 0
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class PicoDet:
    """Persons of a PicoDet network that was trained on COCO.

    Args:
        path: an ONNX file with one square input `(1, 3, S, S)`; for each stride 8, 16, 32, 64 class
            scores `(1, (S / stride)^2, 80)`, then in the same order the logits of the sides'
            distances `(1, (S / stride)^2, 4 * 8)`.
        score_threshold: lowest score.
        iou_threshold: for non-maximum suppression.
        threads: of the CPU; 0 leaves their number to ONNX Runtime.

    Raises:
        WeightsError: ONNX Runtime is not installed, or the file holds another network.
    """

    def __init__(
        self,
        path: Path,
        score_threshold: float = SCORE_THRESHOLD,
        iou_threshold: float = PEER_IOU_THRESHOLD,
        threads: int = 0,
    ) -> None:
        self._session = _session(path, threads)
        (entry,) = self._session.get_inputs()
        self._input, self._side = entry.name, int(entry.shape[-1])
        self._score_threshold, self._iou_threshold = score_threshold, iou_threshold
        self._person = WAREHOUSE.id_of("person")

    def __call__(self, image_rgb: np.ndarray) -> Result:
        """Persons in `(H, W, 3)` uint8 RGB; it has no mask, so every pixel is background."""
        begun = time.perf_counter()
        height, width = image_rgb.shape[:2]
        pixels = cv2.resize(image_rgb, (self._side, self._side)).astype(np.float32) / 255
        pixels = ((pixels - _MEAN) / _STD).transpose(2, 0, 1)[None]
        outputs = self._session.run(None, {self._input: np.ascontiguousarray(pixels)})
        boxes, scores = self._boxes(outputs)
        boxes *= np.array([width, height] * 2, np.float32) / self._side
        boxes, scores = self._strongest(boxes, scores)
        blank = np.zeros((height, width), np.uint8)
        return Result(
            Detections(
                clip_boxes(boxes, (height, width)),
                scores,
                np.full(len(boxes), self._person, np.int32),
            ),
            Segmentation(blank, blank),
            (height, width),
            Timing(network_ms=(time.perf_counter() - begun) * 1e3),
        )

    def _boxes(self, outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Boxes `(N, 4)` in input pixels and their scores, before suppression."""
        levels = len(_STRIDES)
        parts = [
            decode(scores[0, :, _COCO_PERSON], sides[0], stride, self._score_threshold)
            for scores, sides, stride in zip(
                outputs[:levels], outputs[levels:], _STRIDES, strict=True
            )
        ]
        return np.concatenate([part[0] for part in parts]), np.concatenate([p[1] for p in parts])

    def _strongest(self, boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(boxes):
            return boxes, scores
        xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        kept = cv2.dnn.NMSBoxes(
            xywh.tolist(), scores.tolist(), self._score_threshold, self._iou_threshold
        )
        chosen = np.ravel(np.asarray(kept, int))[:MAX_DETECTIONS]
        return boxes[chosen], scores[chosen]


def decode(
    scores: np.ndarray, side_logits: np.ndarray, stride: int, score_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of one stride.

    Args:
        scores: of one class, `(cells,)`, row by row.
        side_logits: `(cells, 4 * 8)`: left, top, right, bottom.
        stride: input pixels from one cell to the next.
        score_threshold: lowest score.

    Returns:
        `(N, 4)` float32 xyxy in input pixels and `(N,)` float32 scores.
    """
    kept = scores > score_threshold
    logits = side_logits[kept].reshape(-1, 4, _BINS)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    sides = (shares / shares.sum(-1, keepdims=True)) @ np.arange(_BINS, dtype=np.float32) * stride
    count = round(float(np.sqrt(len(scores))))
    y, x = (np.mgrid[:count, :count].reshape(2, -1)[:, kept].astype(np.float32) + 0.5) * stride
    boxes = np.stack([x - sides[:, 0], y - sides[:, 1], x + sides[:, 2], y + sides[:, 3]], 1)
    return boxes.astype(np.float32), scores[kept].astype(np.float32)


def _session(path: Path, threads: int):  # type: ignore[no-untyped-def]
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(
            f"{path}: expected ONNX Runtime to run it; pip install 'mtv_perception[onnx]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # It has a type of its own for every reason.
        raise WeightsError(f"{path}: expected an ONNX file, got {error}") from error
    shapes = [list(entry.shape) for entry in session.get_inputs()]
    if len(shapes) != 1 or len(session.get_outputs()) != 2 * len(_STRIDES):
        raise WeightsError(
            f"{path}: expected a PicoDet network with one input and {2 * len(_STRIDES)} outputs, "
            f"got inputs {shapes} and {len(session.get_outputs())} outputs."
        )
    return session
