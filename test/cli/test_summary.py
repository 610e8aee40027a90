import argparse
import json

import pytest

from mtv_perception.cli import summary
from mtv_perception.cli.main import main
from mtv_perception.errors import ConfigError

pytest.importorskip("keras")
SMALL = ("--size", 64, 96, "--width", 0.35, "--preset", "warehouse-small")


def run(*arguments):
    parser = argparse.ArgumentParser()
    summary.configure(parser)
    return summary.run(parser.parse_args([str(item) for item in arguments]))


def test_figures_are_printed_and_written(tmp_path, capsys):
    assert run(*SMALL, "--json", tmp_path / "figures.json") == 0

    text = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert text.startswith("warehouse-small: mobilenetv2 x0.35 at 64x96\n")
    assert f"{figures['parameters']:,}" in text
    assert f"{figures['multiply_adds']:,}" in text
    boxes = (8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1) * 6
    assert figures["default_boxes"] == boxes
    assert figures["outputs"] == {
        "class_logits": [boxes, 3],
        "box_offsets": [boxes, 4],
        "segmentation_logits": [16, 24, 4],
    }
    assert "16 x 24 x 4" in text


def test_the_command_line_knows_it(capsys):
    assert main(["summary", *map(str, SMALL)]) == 0
    assert "multiply-adds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--preset", "huge"),
            "preset: expected one of warehouse, warehouse-small, reference, got 'huge'",
        ),
        (("--backbone", "vgg"), "backbone: expected one of mobilenetv2, shufflenetv2, got 'vgg'"),
        (("--size", 16, 16), "size_hw: expected a number in 32"),
        (("--width", 100), "width: expected a number"),
    ],
)
def test_what_can_not_be_built_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        run(*arguments)


def test_a_refusal_is_one_line_and_status_2(capsys):
    assert main(["summary", "--preset", "huge"]) == 2
    assert capsys.readouterr().err.startswith("mtv: preset: expected one of")
