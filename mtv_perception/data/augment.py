"""Augmentation that moves image, boxes, mask and label knowledge together. Every draw comes from the given generator.

Sources: crops of a drawn least overlap and zoom-out, Liu et al. 2016 (SSD) sections 2.2 and 3.6;
mosaic, Bochkovskiy et al. 2020 (YOLOv4) section 3.3; copy-paste, Ghiasi et al. 2021, "Simple
Copy-Paste".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mtv_perception.config import setting
from mtv_perception.data.scene import Scene, fit_matrix, keep_visible, scale_shift, warp_scene

# SSD, section 2.2: a crop takes any part (0), or one of at least a drawn overlap (IoU) with an
# object. With the whole patch, a small person would never reach it; so it is the IoU of the
# object's box with what the crop leaves of it.
_LEAST_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
_TRIALS = 20
# Share of its box that the bounding box of a pasted object's mask must have.
_LEAST_EXTENT = 0.7

Draw = Callable[[np.random.Generator], Scene]


@dataclass(frozen=True)
class AugmentConfig:
    """How often and how strongly; a probability of 0 switches a step off."""

    flip: float = setting(0.5, "Probability of a horizontal mirror image.", low=0, high=1)
    mosaic: float = setting(0.3, "Probability of joining four images into one.", low=0, high=1)
    crop: float = setting(0.4, "Probability of enlarging and cropping.", low=0, high=1)
    zoom_out: float = setting(
        0.67,
        "Probability of making an image smaller, of those that are not cropped.",
        low=0,
        high=1,
    )
    scale: tuple[float, float] = setting(
        (0.5, 2.0),
        "Range of the random scale, 1 = the image just fits: crops take it from 1 on, zoom-out up to 1.",
        low=0.1,
        high=10,
    )
    stretch: float = setting(0.15, "Largest relative change of the aspect ratio.", low=0, high=0.9)
    copy_paste: float = setting(
        0.2, "Probability of pasting masked objects from another image.", low=0, high=1
    )
    brightness: float = setting(32.0, "Largest shift of the grey level, of 255.", low=0, high=255)
    contrast: float = setting(0.4, "Largest relative change of contrast.", low=0, high=1)
    saturation: float = setting(0.4, "Largest relative change of saturation.", low=0, high=1)
    hue: float = setting(12.0, "Largest turn of the hue, degrees.", low=0, high=180)
    degrade: float = setting(
        0.25, "Probability of one of blur, noise, JPEG artefacts.", low=0, high=1
    )
    blur: float = setting(1.0, "How often it is motion blur, against the other two.", low=0)
    noise: float = setting(1.0, "How often it is sensor noise, against the other two.", low=0)
    jpeg: float = setting(1.0, "How often it is JPEG artefacts, against the other two.", low=0)
    low_resolution: float = setting(
        0.0,
        "How often it is a source of a half to a quarter of the pixels a side, against the others.",
        low=0,
    )
    cast: float = setting(
        0.0, "Probability of a grey picture in one tint, as of an infrared camera.", low=0, high=1
    )


OFF = AugmentConfig(
    flip=0,
    mosaic=0,
    crop=0,
    zoom_out=0,
    scale=(1.0, 1.0),
    stretch=0,
    copy_paste=0,
    brightness=0,
    contrast=0,
    saturation=0,
    hue=0,
    degrade=0,
    cast=0,
)


def augment(
    draw: Draw, size_hw: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> Scene:
    """One training scene of the network's size.

    Args:
        draw: gives a source scene; called once, or several times for mosaic and copy-paste.
        size_hw: size of the result, pixels.
        config: which steps.
        rng: source of every random choice.
    """
    scene = (
        _mosaic(draw, size_hw, config, rng)
        if rng.random() < config.mosaic
        else place(draw(rng), size_hw, config, rng)
    )
    if rng.random() < config.copy_paste:
        scene = copy_paste(scene, draw(rng), rng)
    image = photometric(scene.image, config, rng)
    if config.cast and rng.random() < config.cast:
        image = cast(image, rng)
    if rng.random() < config.degrade:
        image = degrade(image, config, rng)
    return replace(scene, image=image)


def place(
    scene: Scene, size_hw: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> Scene:
    """Crop or zoom out of a scene, stretch, mirror and shift it into the target, keeping a random object in view."""
    matrix = fit_matrix(scene.size_hw, size_hw)
    crops = rng.random() < config.crop
    if crops or rng.random() < config.zoom_out:
        bounds = (0, None) if crops else (None, 0)
        scale = matrix[0, 0] * np.exp(rng.uniform(*np.clip(np.log(config.scale), *bounds)))
        stretch = np.exp(rng.uniform(-1, 1) * config.stretch / 2)
        scales = np.array([scale * stretch, scale / stretch])
        matrix = scale_shift(*scales, *_shift(scene, scales, size_hw, rng))
    if rng.random() < config.flip:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size_hw[1]
    return warp_scene(scene, matrix, size_hw, border=int(rng.integers(60, 180)))


def _shift(
    scene: Scene, scales: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Offset (x, y) of the scaled scene: it covers the target or lies in it, an object being inside as far as drawn.

    Where no trial leaves as much of the object, its centre is put inside.
    """
    size_wh = np.array(size_hw[::-1])
    spare = size_wh - np.array(scene.size_hw[::-1]) * scales
    shifts = rng.uniform(np.minimum(spare, 0), np.maximum(spare, 0), (_TRIALS, 2))
    least = rng.choice(_LEAST_OVERLAPS)
    if not len(scene.boxes_xyxy) or not least:
        return shifts[0]
    low, high = scene.boxes_xyxy[rng.integers(len(scene.boxes_xyxy))].reshape(2, 2) * scales
    inside = np.clip(high + shifts, 0, size_wh) - np.clip(low + shifts, 0, size_wh)
    enough = np.flatnonzero(inside.prod(1) >= least * np.prod(high - low))
    if enough.size:
        return shifts[enough[0]]
    centre = (low + high) / 2
    return np.clip(shifts[0], -centre, size_wh - centre)


def _mosaic(
    draw: Draw, size_hw: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> Scene:
    """Four scenes around a random cross."""
    height, width = size_hw
    row = int(height * rng.uniform(0.3, 0.7))
    column = int(width * rng.uniform(0.3, 0.7))
    image = np.empty((height, width, 3), np.uint8)
    truth = np.empty((height, width, 3), np.uint16)
    parts = []
    for top, bottom in ((0, row), (row, height)):
        for left, right in ((0, column), (column, width)):
            part = place(draw(rng), (bottom - top, right - left), config, rng)
            image[top:bottom, left:right], truth[top:bottom, left:right] = part.image, part.truth
            parts.append(
                replace(
                    part, boxes_xyxy=part.boxes_xyxy + np.array([left, top, left, top], np.float32)
                )
            )
    return Scene(
        image,
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.crowd for part in parts]),
        truth,
    )


def copy_paste(scene: Scene, source: Scene, rng: np.random.Generator, limit: int = 3) -> Scene:
    """Paste up to `limit` masked objects of `source` into `scene`, over what is there.

    They keep the size that `source` would give them in the scene's pixels, times 0.4 to 1.4. Objects
    are those whose mask fills a fair part of their box. Boxes they cover are clipped no
    further than the pixels say: a box mostly covered becomes a crowd box.
    """
    for index in rng.permutation(len(source.boxes_xyxy))[:limit]:
        scene = _paste_object(scene, source, int(index), rng)
    return scene


def _paste_object(scene: Scene, source: Scene, index: int, rng: np.random.Generator) -> Scene:
    x0, y0, x1, y1 = np.round(source.boxes_xyxy[index]).astype(int)
    class_id = source.class_ids[index]
    shape = (source.truth[y0:y1, x0:x1, 0] == class_id).astype(np.uint8)
    fitted = min(size / side for size, side in zip(scene.size_hw, source.size_hw, strict=True))
    if source.crowd[index] or shape.size * fitted**2 < 200 or shape.mean() < 0.25:
        return scene
    # What is pasted ends where the mask does; a mask of but a part of the object would teach half
    # an object.
    left, top, right, bottom = _extent(shape)
    if (right - left) * (bottom - top) < _LEAST_EXTENT * shape.size:
        return scene
    x0, y0, x1, y1 = x0 + left, y0 + top, x0 + right, y0 + bottom
    shape = shape[top:bottom, left:right]
    height, width = scene.size_hw
    scale = min(
        fitted * np.exp(rng.uniform(np.log(0.4), np.log(1.4))),
        0.9 * height / (y1 - y0),
        0.9 * width / (x1 - x0),
    )
    size = max(4, round((x1 - x0) * scale)), max(4, round((y1 - y0) * scale))
    patch = cv2.resize(source.image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    shape = cv2.resize(shape, size, interpolation=cv2.INTER_NEAREST)
    left, top = (
        int(rng.integers(0, width - size[0] + 1)),
        int(rng.integers(0, height - size[1] + 1)),
    )
    window = np.s_[top : top + size[1], left : left + size[0]]
    soft = cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0)[..., None]
    image, truth = scene.image.copy(), scene.truth.copy()
    image[window] = (image[window] * (1 - soft) + patch * soft).astype(np.uint8)
    truth[window][shape > 0] = (class_id, 0xFFFF, 0xFFFF)
    new_box = np.array([[left, top, left + size[0], top + size[1]]], np.float32)
    pasted = Scene(
        image,
        np.concatenate([scene.boxes_xyxy, new_box]),
        np.append(scene.class_ids, class_id).astype(np.int32),
        np.append(scene.crowd | _covered(scene.boxes_xyxy, new_box[0]), False),
        truth,
    )
    return keep_visible(pasted)


def _extent(shape: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is set in a plane."""
    columns, rows = np.flatnonzero(shape.any(0)), np.flatnonzero(shape.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _covered(boxes_xyxy: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Which boxes lie for more than 70% under `cover`."""
    low, high = np.maximum(boxes_xyxy[:, :2], cover[:2]), np.minimum(boxes_xyxy[:, 2:], cover[2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return shared > 0.7 * np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)


def photometric(image: np.ndarray, config: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of one `(H, W, 3)` uint8 RGB image."""
    gain = 1 + rng.uniform(-1, 1) * config.contrast
    bias = rng.uniform(-1, 1) * config.brightness + 127 * (1 - gain)
    saturation = 1 + rng.uniform(-1, 1) * config.saturation
    turn = rng.uniform(-1, 1) * config.hue / 2
    if config.hue or config.saturation:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        levels = np.arange(256)
        table = np.stack([(levels + turn) % 180, np.clip(levels * saturation, 0, 255), levels], -1)
        image = cv2.cvtColor(
            cv2.LUT(hsv, np.round(table).astype(np.uint8)[None]), cv2.COLOR_HSV2RGB
        )
    return cv2.LUT(image, _affine_table(gain, bias)) if gain != 1 or bias else image


def _affine_table(gain: float, bias: float) -> np.ndarray:
    return np.clip(np.arange(256) * gain + bias, 0, 255).astype(np.uint8)


def cast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The grey levels of an RGB picture in one random tint, with a share of its own colours left."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    tint = rng.uniform(0.5, 1.15, 3) if rng.random() < 0.7 else np.ones(3)
    tables = np.clip(np.arange(256)[:, None] * tint, 0, 255).astype(np.uint8)
    tinted = cv2.LUT(cv2.merge([grey] * 3), tables[None])
    kept = rng.uniform(0, 0.4)
    return cv2.addWeighted(tinted, 1 - kept, image, kept, 0)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.integers(1, 5)) * 2 + 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    end = np.round(length // 2 * (1 + np.array([np.cos(angle), np.sin(angle)]))).astype(int)
    cv2.line(
        kernel,
        (length - 1 - int(end[0]), length - 1 - int(end[1])),
        (int(end[0]), int(end[1])),
        1.0,
    )
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.normal(0, rng.uniform(2, 12), image.shape).astype(np.float32)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 75))])
    decoded: np.ndarray = cv2.imdecode(coded, cv2.IMREAD_COLOR)  # type: ignore[assignment]  # what we just coded
    return decoded


def _low_resolution(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    share = rng.uniform(0.25, 0.6)
    small = max(8, round(width * share)), max(8, round(height * share))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


_DEGRADATIONS = (_blur, _noise, _jpeg, _low_resolution)


def degrade(image: np.ndarray, config: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """One of motion blur, sensor noise, JPEG artefacts or a low resolution, each as often as `config` says."""
    weights = np.array([config.blur, config.noise, config.jpeg, config.low_resolution])
    if not weights.any():
        return image
    return _DEGRADATIONS[rng.choice(len(weights), p=weights / weights.sum())](image, rng)
