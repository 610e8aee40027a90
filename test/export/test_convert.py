import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.export.convert import PRECISIONS, convert
from mtv_perception.export.parity import ERROR_LIMITS, output_errors, output_positions

precisions = pytest.mark.parametrize("precision", PRECISIONS)


def opened(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


@precisions
def test_images_go_in_as_8_bits_one_at_a_time(contents, network, precision):
    (detail,) = opened(contents[precision]).get_input_details()

    assert detail["shape"].tolist() == [1, *network.config.size_hw, 3]
    assert detail["dtype"] == (np.int8 if precision == "int8" else np.uint8)


@precisions
def test_raw_outputs_come_out(contents, network, precision):
    details = opened(contents[precision]).get_output_details()
    wanted = [[1, *output.shape[1:]] for output in network.model.output.values()]

    assert sorted(detail["shape"].tolist() for detail in details) == sorted(wanted)
    assert {detail["dtype"] for detail in details} == {
        np.int8 if precision == "int8" else np.float32
    }


@precisions
def test_dilated_convolutions_stay_whole(contents, precision):
    operations = {op["op_name"] for op in opened(contents[precision])._get_ops_details()}

    assert "DEPTHWISE_CONV_2D" in operations
    assert not {"SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "SHAPE", "PACK"} & operations
    assert not {name for name in operations if name.startswith("Flex") or name == "CUSTOM"}


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_converter_alarms_nobody(network, images, precision, capfd, recwarn):
    convert(network, precision, images)

    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert not [str(item.message) for item in recwarn if "quantized" in str(item.message)]


def test_int8_has_no_floats_inside(contents):
    interpreter = opened(contents["int8"])

    kinds = {
        np.dtype(detail["dtype"]).name
        for detail in interpreter.get_tensor_details()
        if detail["name"]
    }

    assert kinds <= {"int8", "int32"}


def test_the_int8_input_is_the_image_scaling_itself(contents):
    (detail,) = opened(contents["int8"]).get_input_details()
    scale, zero_point = detail["quantization"]

    assert scale == pytest.approx(2 / 255, rel=1e-3)
    assert abs(zero_point + 0.5) <= 1


def test_float16_keeps_its_weights_in_half(contents):
    kinds = {
        np.dtype(detail["dtype"]).name
        for detail in opened(contents["float16"]).get_tensor_details()
    }

    assert "float16" in kinds
    assert len(contents["float16"]) < len(contents["float32"])


@precisions
def test_what_is_exported_says_what_the_network_says(contents, network, images, precision):
    positions = output_positions(contents[precision], network, images[0])

    errors = output_errors(contents[precision], network, positions, images)

    assert set(errors) == set(network.model.output)
    assert max(errors.values()) <= ERROR_LIMITS[precision]


def test_int8_needs_calibration_images(network):
    with pytest.raises(ValueError, match="Expected calibration images for int8, got none"):
        convert(network, "int8")


def test_an_unknown_precision_lists_the_known_ones(network):
    with pytest.raises(ValueError, match="float32, float16, int8, got 'int4'"):
        convert(network, "int4")
