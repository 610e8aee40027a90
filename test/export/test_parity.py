import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.errors import ArtefactError
from mtv_perception.export.parity import (
    check_errors,
    output_errors,
    output_positions,
    relative_error,
)
from mtv_perception.training.keras_model import OUTPUTS


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_each_output_is_found_where_it_stands(contents, network, images, precision):
    positions = output_positions(contents[precision], network, images[0])

    details = Interpreter(model_content=contents[precision]).get_output_details()
    assert sorted(positions.values()) == [0, 1, 2]
    for name, position in positions.items():
        assert details[position]["shape"].tolist()[1:] == list(network.model.output[name].shape[1:])


def test_outputs_of_equal_shape_are_told_apart_by_their_values(monkeypatch, network, images):
    from mtv_perception.export import parity

    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=(10, 4)) for _ in range(3))
    monkeypatch.setattr(
        parity, "keras_outputs", lambda network, image: dict(zip(OUTPUTS, (a, b, c), strict=True))
    )
    monkeypatch.setattr(
        parity, "_Exported", lambda content: lambda image: [c + 0.01, a + 0.01, b - 0.01]
    )

    assert output_positions(b"", network, images[0]) == dict(zip(OUTPUTS, (1, 2, 0), strict=True))


def test_a_missing_output_is_named(monkeypatch, contents, network, images):
    from mtv_perception.export import parity

    monkeypatch.setattr(
        parity, "keras_outputs", lambda network, image: {"box_offsets": np.zeros((7, 4))}
    )

    with pytest.raises(
        ArtefactError, match=r"Expected an output 'box_offsets' of shape \(7, 4\), got"
    ):
        output_positions(contents["float32"], network, images[0])


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_another_networks_model_is_refused(contents, other_network, images, precision):
    positions = output_positions(contents[precision], other_network, images[0])
    errors = output_errors(contents[precision], other_network, positions, images[:2])

    with pytest.raises(ArtefactError, match=f"for {precision}, got .*class_logits"):
        check_errors(errors, precision)


def test_the_worst_image_counts(contents, network, images):
    positions = output_positions(contents["int8"], network, images[0])
    single = [output_errors(contents["int8"], network, positions, [image]) for image in images[:3]]

    together = output_errors(contents["int8"], network, positions, images[:3])

    for name in OUTPUTS:
        assert together[name] == pytest.approx(max(errors[name] for errors in single), rel=1e-5)


@pytest.mark.parametrize(
    ("found", "expected", "error"),
    [
        ([1, -1, 3, -3], [1, -1, 3, -3], 0.0),
        ([2, 0, 4, -2], [1, -1, 3, -3], 1 / 5**0.5),
        ([10.1] * 4, [10] * 4, 0.1 / 0.5),
    ],
    ids=["equal", "shifted by 1", "constant, against the least spread"],
)
def test_errors_are_relative_to_the_spread(found, expected, error):
    assert relative_error(np.array(found, float), np.array(expected, float)) == pytest.approx(error)


@pytest.mark.parametrize("error", [1e-3, np.nan, np.inf])
def test_errors_above_the_limit_and_no_numbers_are_refused(error):
    check_errors({"class_logits": 1e-5}, "float32")
    with pytest.raises(ArtefactError, match="at most 0.0001 for float32, got .*'box_offsets'"):
        check_errors({"class_logits": 1e-5, "box_offsets": error}, "float32")
