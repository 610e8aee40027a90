"""One process's assets and renderer: composes, renders and annotates single images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtv_perception.synthetic.people.cutouts import Cutout
from mtv_perception.synthetic.render.assets import Assets, make_assets
from mtv_perception.synthetic.render.camera import distortion_map
from mtv_perception.synthetic.render.renderer import Renderer
from mtv_perception.synthetic.render.sensor import expose
from mtv_perception.synthetic.scene.annotate import annotate, class_mask
from mtv_perception.synthetic.scene.layout import compose

SUPERSAMPLING = 1.5


@dataclass(frozen=True)
class RenderedImage:
    """One finished image.

    Attributes:
        rgb: (H, W, 3) uint8.
        mask: (H, W) uint8 class ids.
        instances: (H, W) int32 instance ids, 0 for none.
        annotations: COCO annotations without ids.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    instances: NDArray[np.int32]
    annotations: list[dict[str, Any]]


class Studio:
    """Assets and renderer of one process."""

    def __init__(
        self,
        split: str,
        size_hw: tuple[int, int],
        cutouts: list[Cutout] | None = None,
        threads: int = 2,
    ) -> None:
        self._assets: Assets = make_assets(split)
        self._size_hw = size_hw
        self._render_hw = (round(size_hw[0] * SUPERSAMPLING), round(size_hw[1] * SUPERSAMPLING))
        self._cutouts = cutouts
        self._renderer = Renderer(self._render_hw, self._assets.textures, threads)

    def close(self) -> None:
        """Releases the renderer."""
        self._renderer.close()

    def shoot(self, seed: int, index: int) -> RenderedImage:
        """Composes, renders and annotates image `index`."""
        rng = np.random.default_rng([seed, index])
        scene = compose(self._assets, rng, self._cutouts)
        rendered = self._renderer.render(scene)
        map_xy = distortion_map(self._size_hw, scene.camera.distortion, SUPERSAMPLING)
        columns = np.clip(np.rint(map_xy[0]).astype(int), 0, self._render_hw[1] - 1)
        rows = np.clip(np.rint(map_xy[1]).astype(int), 0, self._render_hw[0] - 1)
        instances = rendered.instances[rows, columns]
        class_ids = [class_id for class_id, _ in scene.targets]
        found = annotate(instances, class_ids, rendered.full_pixels / SUPERSAMPLING**2)
        return RenderedImage(
            expose(rendered.color, map_xy, SUPERSAMPLING, rng),
            class_mask(instances, class_ids),
            instances,
            found,
        )
