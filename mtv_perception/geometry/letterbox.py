"""Letterbox: an image scaled into the network's input with its shape kept, and the exact way back.

Scaled size and padding are multiples of the segmentation stride, so that the mask's logits that
belong to the image are a whole rectangle of cells. Width and height carry their own scale factor,
so that rounding the scaled size costs no accuracy on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# The middle of 0..255 is zero to the network.
PAD_VALUE = 127


@dataclass(frozen=True)
class Letterbox:
    """Where a source image lies inside the network input.

    Attributes:
        source_hw: source image, pixels.
        network_hw: network input, pixels.
        inner_hw: the scaled image inside the input, pixels.
        offset_yx: its top left corner inside the input, pixels.
    """

    source_hw: tuple[int, int]
    network_hw: tuple[int, int]
    inner_hw: tuple[int, int]
    offset_yx: tuple[int, int]

    @classmethod
    def fit(
        cls, source_hw: tuple[int, int], network_hw: tuple[int, int], stride: int = 4
    ) -> Letterbox:
        """The largest placement of the source in the network input, centred.

        On multiples of `stride`.
        """
        if min(source_hw) < 1:
            raise ValueError(f"Expected an image of at least 1x1 pixels, got {source_hw!r}.")
        if network_hw[0] % stride or network_hw[1] % stride:
            raise ValueError(
                f"Expected a network size in multiples of {stride}, got {network_hw!r}."
            )
        scale = min(network_hw[0] / source_hw[0], network_hw[1] / source_hw[1])
        inner = [
            min(full, max(stride, round(side * scale / stride) * stride))
            for side, full in zip(source_hw, network_hw, strict=True)
        ]
        offset = [
            (full - side) // 2 // stride * stride
            for side, full in zip(inner, network_hw, strict=True)
        ]
        return cls(source_hw, network_hw, (inner[0], inner[1]), (offset[0], offset[1]))

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Network pixels for one source pixel, along x and y."""
        return self.inner_hw[1] / self.source_hw[1], self.inner_hw[0] / self.source_hw[0]

    def write(self, image: np.ndarray, out: np.ndarray) -> None:
        """Scale `image` `(H, W, 3)` uint8 into its place in `out` (network size, uint8).

        Padding around it.
        """
        top, left = self.offset_yx
        height, width = self.inner_hw
        if self.inner_hw != self.network_hw:
            out[:top], out[top + height :] = PAD_VALUE, PAD_VALUE
            out[:, :left], out[:, left + width :] = PAD_VALUE, PAD_VALUE
        view = out[top : top + height, left : left + width]
        if self.source_hw == self.inner_hw:
            np.copyto(view, image)
            return
        shrinks = height * width < self.source_hw[0] * self.source_hw[1]
        method = cv2.INTER_AREA if shrinks and min(self.scale_xy) < 0.5 else cv2.INTER_LINEAR
        view[...] = cv2.resize(image, (width, height), interpolation=method)

    def boxes_to_source(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes `(..., 4)` from network to source pixels."""
        return (boxes_xyxy - self._offset_xyxy(boxes_xyxy)) / self._scale_xyxy(boxes_xyxy)

    def boxes_to_network(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes `(..., 4)` from source to network pixels."""
        return boxes_xyxy * self._scale_xyxy(boxes_xyxy) + self._offset_xyxy(boxes_xyxy)

    def crop_cells(self, cells: np.ndarray) -> np.ndarray:
        """The part of a `(h, w, ...)` map of the whole network input that the image covers (a view).

        Raises:
            ValueError: the image does not cover whole cells; it was placed on multiples of another
                stride.
        """
        parts = []
        for count, full, offset, inner in zip(
            cells.shape, self.network_hw, self.offset_yx, self.inner_hw, strict=False
        ):
            first, last = offset * count, (offset + inner) * count
            if not count or first % full or last % full:
                raise ValueError(
                    f"Expected the image to cover whole cells of {cells.shape}, got {offset} .. {offset + inner} "
                    f"of {full} pixels."
                )
            parts.append(slice(first // full, last // full))
        return cells[tuple(parts)]

    def _scale_xyxy(self, like: np.ndarray) -> np.ndarray:
        return np.asarray(self.scale_xy * 2, np.result_type(like, np.float32))

    def _offset_xyxy(self, like: np.ndarray) -> np.ndarray:
        return np.asarray(self.offset_yx[::-1] * 2, np.result_type(like, np.float32))
