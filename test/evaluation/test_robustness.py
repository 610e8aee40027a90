"""Scores under corruption: the sums, and the library's corruptions."""

import sys

import numpy as np
import pytest

from mtv_perception.errors import MtvError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.robustness import (
    Degradation,
    common_corruptions,
    corrupt,
    evaluate_robustness,
)


def test_mpc_and_rpc_by_hand():
    result = Degradation(0.8, {"fog": (0.6, 0.2), "snow": (0.0, 0.0)})
    assert result.mpc == pytest.approx(0.2) and result.rpc == pytest.approx(0.25)
    assert Degradation(0.0, {"fog": (0.0,)}).to_json()["rpc"] is None


def test_harmless_and_blinding_corruptions(oracle, blind, dataset):
    def perceive(image):
        return oracle(image) if image.any() else blind(image)

    def apply(image, name, severity):
        return image if name == "none" or severity < 3 else np.zeros_like(image)

    clean = evaluate(perceive, dataset, quiet=True)
    result = evaluate_robustness(
        perceive,
        dataset,
        clean,
        corruptions=("none", "dark"),
        severities=(1, 5),
        apply=apply,
        quiet=True,
    )
    assert result.map.corrupted["none"] == pytest.approx((1, 1))
    assert result.map.corrupted["dark"] == pytest.approx((1, 0))
    assert result.map.mpc == pytest.approx(0.75) and result.map.rpc == pytest.approx(0.75)
    assert result.miou.corrupted["dark"][1] < result.miou.corrupted["dark"][0] == 1
    assert set(result.to_json()) == {"severities", "map", "miou"}


@pytest.mark.parametrize("bad", [{"severities": (0,)}, {"severities": ()}, {"corruptions": ()}])
def test_impossible_settings_are_refused(bad, oracle, dataset):
    settings = {"corruptions": ("fog",), "severities": (1,)} | bad
    with pytest.raises(ValueError, match="Expected corruptions and severities"):
        evaluate_robustness(oracle, dataset, None, **settings)


def test_the_benchmark_has_fifteen_corruptions_that_keep_the_size():
    pytest.importorskip("imagecorruptions")
    names = common_corruptions()
    assert len(names) == 15 and {"gaussian_noise", "fog", "jpeg_compression"} <= set(names)
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)
    for name in set(names) - {"glass_blur"}:  # compiles for a second
        corrupted = corrupt(image, name, 3)
        assert corrupted.shape == image.shape and corrupted.dtype == np.uint8
        assert (corrupted != image).any()


def test_a_missing_library_is_named_with_how_to_install_it_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(MtvError, match="pip install --no-deps imagecorruptions-imaug"):
        common_corruptions()
