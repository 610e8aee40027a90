"""A small network of the package's blocks with outspoken heads, and its conversions: made once,
being slow.
"""

import cv2
import numpy as np
import pytest

SIZE_HW = (64, 96)


def outspoken_network(seed):
    """The product's heads and decoder on three layers, with random weights under which the outputs
    vary.
    """
    import keras

    from mtv_perception.geometry.default_boxes import pyramid_spec
    from mtv_perception.network.config import NetworkConfig
    from mtv_perception.network.deeplabv3plus import aspp, decoder
    from mtv_perception.network.layers import conv_bn_relu6, separable
    from mtv_perception.network.multitask import MultitaskNetwork
    from mtv_perception.network.ssdlite import ssdlite

    keras.utils.set_random_seed(seed)
    images = keras.Input((*SIZE_HW, 3), name="images")
    skip = separable(conv_bn_relu6(images, 16, 3, "stem", strides=2), 24, "stride4", strides=2)
    deep = separable(skip, 32, "stride8", strides=2)
    logits, offsets = ssdlite([deep], [2], 3)
    pixels = decoder(aspp(deep, 16, (2, 3)), skip, 16, 8, 4)
    outputs = {"class_logits": logits, "box_offsets": offsets, "segmentation_logits": pixels}
    boxes = pyramid_spec(SIZE_HW, [(8, 12)], [20.0], [1.0], [0.4, 1.0])
    network = MultitaskNetwork(keras.Model(images, outputs), NetworkConfig(size_hw=SIZE_HW), boxes)
    rng = np.random.default_rng(seed)
    for layer in network.model.layers:
        if layer.name.endswith("_predict") or layer.name == "decoder_logits":
            kernel, bias = layer.get_weights()
            scale = 4 / np.sqrt(np.prod(kernel.shape[:3]))
            layer.set_weights([rng.normal(0, scale, kernel.shape), rng.normal(0, 1, bias.shape)])
    return network


def set_norms_as_trained(model):
    """Give norms values as after a training: no scale is 1, no offset 0.

    The conversion drops or merges those of fresh norms, so that they cannot be read back.
    """
    import keras

    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.5, 2, count),
                    *rng.normal(0, 0.3, (2, count)),
                    rng.uniform(0.5, 2, count),
                ]
            )


@pytest.fixture(scope="session")
def norms_as_trained():
    return set_norms_as_trained


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


@pytest.fixture(scope="session")
def save_model(images):
    """Writes a network's LiteRT artefact, compared with the network."""
    from mtv_perception.export.artefact import Description
    from mtv_perception.export.report import export_precisions
    from mtv_perception.runtime.artefact import Trained

    def save(network, folder, precision):
        size_hw = network.config.size_hw
        shown = [
            cv2.resize(image, size_hw[::-1]) if image.shape[:2] != size_hw else image
            for image in images
        ]
        (report,) = export_precisions(
            network, folder, [precision], shown, Description("saved", Trained()), largest_drop=0.05
        )
        assert not report.refused
        return folder

    return save
