"""Checkpoints come back as they were, and say so when they can't."""

import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.errors import WeightsError
from mtv_perception.training.state import read_group, restore_state, save_state


def variables(fill):
    shapes = {"model": [(3, 4), ()], "optimiser": [(12,)] * 12}
    return {
        group: [tf.Variable(np.full(shape, fill + i, np.float32)) for i, shape in enumerate(items)]
        for group, items in shapes.items()
    }


def test_a_saved_state_comes_back(tmp_path):
    saved, restored = variables(1.0), variables(-5.0)
    save_state(tmp_path / "last.npz", saved, 42)
    assert restore_state(tmp_path / "last.npz", restored) == 42
    for group, items in saved.items():
        for one, other in zip(items, restored[group], strict=True):
            np.testing.assert_array_equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


def test_a_group_is_read_in_order(tmp_path):
    save_state(tmp_path / "last.npz", variables(0.0), 1)
    assert [float(array[0]) for array in read_group(tmp_path / "last.npz", "optimiser")] == list(
        range(12)
    )
    with pytest.raises(WeightsError, match="expected weights under 'average', found none"):
        read_group(tmp_path / "last.npz", "average")


@pytest.mark.parametrize("keep", [0, 10, 300, -20])
def test_a_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "last.npz"
    save_state(path, variables(0.0), 1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="last.npz: expected a checkpoint"):
        restore_state(path, variables(0.0))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "last.npz"
    save_state(path, variables(0.0), 1)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="last.npz"):
        restore_state(path, variables(0.0))


def test_no_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="none.npz: expected a checkpoint"):
        restore_state(tmp_path / "none.npz", variables(0.0))


def test_another_networks_state_is_refused(tmp_path):
    save_state(tmp_path / "last.npz", variables(0.0), 1)
    other = {"model": [tf.Variable(np.zeros((3, 5), np.float32))]}
    with pytest.raises(WeightsError, match=r"expected model/0 of shape \(3, 5\), got \(3, 4\)"):
        restore_state(tmp_path / "last.npz", other)
    with pytest.raises(WeightsError, match=r"expected more/0 of shape \(\), got nothing"):
        restore_state(tmp_path / "last.npz", {"more": [tf.Variable(0.0)]})


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.npz"
    save_state(path, variables(1.0), 1)

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("mtv_perception.training.state.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_state(path, variables(2.0), 2)
    assert restore_state(path, variables(0.0)) == 1
