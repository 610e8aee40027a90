"""A small network with outspoken heads, and its conversions: made once, because converting takes seconds."""

import numpy as np
import pytest

SIZE_HW = (64, 96)


def outspoken_network(seed):
    """The product's small layout with random weights, whose outputs vary as those of a trained one do."""
    import keras

    from mtv_perception.network.config import NetworkConfig
    from mtv_perception.network.multitask import build_network

    keras.utils.set_random_seed(seed)
    network = build_network(NetworkConfig(preset="warehouse-small", size_hw=SIZE_HW, width=0.35))
    rng = np.random.default_rng(seed)
    for layer in network.model.layers:
        if layer.name.endswith("_predict") or layer.name == "decoder_logits":
            kernel, bias = layer.get_weights()
            scale = 4 / np.sqrt(np.prod(kernel.shape[:3]))
            layer.set_weights([rng.normal(0, scale, kernel.shape), rng.normal(0, 1, bias.shape)])
    return network


@pytest.fixture(scope="session")
def network():
    pytest.importorskip("tensorflow")
    return outspoken_network(5)


@pytest.fixture(scope="session")
def other_network():
    return outspoken_network(6)


@pytest.fixture(scope="session")
def images():
    """Smooth random images with a full range of values."""
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 12, 3), np.uint8)
    return [cv2.resize(image, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC) for image in coarse]


class Conversions(dict):
    """A network as LiteRT by precision, converted when first asked for."""

    def __init__(self, network, images):
        super().__init__()
        self._network, self._images = network, images

    def __missing__(self, precision):
        from mtv_perception.export.convert import convert

        self[precision] = convert(self._network, precision, self._images)
        return self[precision]


@pytest.fixture(scope="session")
def contents(network, images):
    return Conversions(network, images)
