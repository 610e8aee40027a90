"""Tiny drawn data sets and runs; `slow` tests run with `-m slow` alone."""

import contextlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtv_perception.data.augment import OFF
from mtv_perception.data.formats.open import DatasetConfig
from mtv_perception.labels import WAREHOUSE
from mtv_perception.network.config import NetworkConfig
from mtv_perception.training.config import OptimiserConfig, TrainConfig

SIZE_HW = (96, 128)
# Width and height of the drawn object of each class, pixels of a 96x128 image.
_SHAPES_WH = {1: (40, 26), 2: (26, 60), 3: (40, 44)}


def draw_scene(rng, size_hw=SIZE_HW):
    """A noisy floor with one to three coloured rectangles: image, mask, boxes (x, y, width, height)
    by class id.
    """
    scale = size_hw[0] / SIZE_HW[0]
    image = np.clip(rng.normal(120, 12, (*size_hw, 3)), 0, 255).astype(np.uint8)
    mask, boxes = np.zeros(size_hw, np.uint8), []
    classes = rng.permutation([1, 2, 3])[: rng.integers(1, 4)]
    for column, class_id in zip(rng.permutation(3), classes, strict=False):
        width, height = (
            int(side * scale * rng.uniform(0.85, 1.0)) for side in _SHAPES_WH[int(class_id)]
        )
        x = int(column * size_hw[1] / 3 + rng.uniform(0, max(1, size_hw[1] / 3 - width)))
        y = int(rng.uniform(0, size_hw[0] - height))
        x = min(x, size_hw[1] - width)
        mask[y : y + height, x : x + width] = class_id
        image[y : y + height, x : x + width] = WAREHOUSE.colour(int(class_id))
        boxes.append((int(class_id), (x, y, width, height)))
    return image, mask, boxes


def write_drawn(folder, count=8, size_hw=SIZE_HW, seed=0, masks=True):
    """Write drawn scenes in COCO's layout and return the folder."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(count):
        image, mask, boxes = draw_scene(rng, size_hw)
        name = f"{number:03d}.png"
        cv2.imwrite(str(folder / "images" / name), image[..., ::-1])
        if masks:
            (folder / "masks").mkdir(exist_ok=True)
            cv2.imwrite(str(folder / "masks" / name), mask)
        images.append({"id": number, "file_name": name, "width": size_hw[1], "height": size_hw[0]})
        annotations += [
            {
                "id": len(annotations) + i,
                "image_id": number,
                "category_id": c,
                "bbox": list(box),
                "iscrowd": 0,
            }
            for i, (c, box) in enumerate(boxes)
        ]
    categories = [{"id": i, "name": name} for i, name in enumerate(WAREHOUSE.names) if i]
    index = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Eight drawn images."""
    return write_drawn(tmp_path_factory.mktemp("drawn") / "shapes")


@pytest.fixture(scope="session")
def write_shapes():
    """The function that writes a drawn data set."""
    return write_drawn


_TINY_WIDTH = 0.35


@contextlib.contextmanager
def _shallow_backbone():
    """Tiny networks have a backbone of five convolutions, in the place of MobileNetV2's fifty."""
    from mtv_perception.network import backbone
    from mtv_perception.network.layers import conv_bn_relu6

    deep = backbone.BACKBONES["mobilenetv2"]

    def features(images, config):
        if config.width != _TINY_WIDTH:
            return deep(images, config)
        x, found = conv_bn_relu6(images, 8, 3, "shallow_2", 2), {}
        for stride in (4, 8, 16, 32):
            x = found[stride] = conv_bn_relu6(x, 8 + stride, 3, f"shallow_{stride}", 2)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbone.BACKBONES, "mobilenetv2", features)
        yield


@pytest.fixture(scope="module")
def shallow_network():
    """For modules that test what is done with a network, whatever the network.

    Its training is traced in a tenth of the time.
    """
    with _shallow_backbone():
        yield


@pytest.fixture(scope="session")
def unoptimised_graphs():
    """TensorFlow's graph optimiser takes half the time of a run of a few steps."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture
def eager():
    """Functions run step by step: faster than tracing them for one or two steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def tiny_config(drawn):
    """A run of seconds; keywords replace fields."""
    classes = WAREHOUSE.foreground
    data = DatasetConfig(path=drawn, box_classes=classes, mask_classes=classes)
    config = TrainConfig(
        network=NetworkConfig(preset="warehouse-small", size_hw=SIZE_HW, width=_TINY_WIDTH),
        train=(data,),
        validation=(data,),
        augment=OFF,
        optimiser=OptimiserConfig(learning_rate=3e-3, warmup=2, ema=0.9),
        batch_size=4,
        steps=6,
        validate_every=1000,
        checkpoint_every=1000,
        workers=1,
    )

    def make(**changes):
        return replace(config, **changes)

    return make


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_config, unoptimised_graphs):
    """The folder of a finished run of six steps of a shallow network, validated twice."""
    from mtv_perception.training.trainer import Trainer
    from mtv_perception.training.validation import Validation

    folder, config = tmp_path_factory.mktemp("runs") / "tiny", tiny_config(validate_every=3)
    with _shallow_backbone():
        Trainer(config, folder, Validation(config)).train()
    return folder
