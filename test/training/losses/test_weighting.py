"""Task weighting: gradients, optima and invariances that the papers claim."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.training.losses.weighting import VARIANCE_PACE, WEIGHTINGS, TaskWeighting

TASKS = {"classes": 1.0, "boxes": 1.0, "segmentation": 1.0}


def losses_of(*values):
    return {task: tf.constant(value) for task, value in zip(TASKS, values, strict=True)}


def pulls(weighting, *values):
    """Gradient of the total with respect to each task's loss."""
    variables = [tf.Variable(value) for value in values]
    with tf.GradientTape() as tape:
        total, _ = weighting(dict(zip(TASKS, map(tf.convert_to_tensor, variables), strict=True)))
    return np.array(
        [g.numpy() for g in tape.gradient(total, variables, unconnected_gradients="zero")],
        np.float64,
    )


def test_an_unknown_method_lists_the_known():
    with pytest.raises(ValueError, match="fixed, uncertainty, uw_so, log, got 'best'"):
        TaskWeighting("best", TASKS)


def test_fixed_is_the_weighted_sum():
    total, weights = TaskWeighting("fixed", {"classes": 1.0, "boxes": 2.0, "segmentation": 0.5})(
        losses_of(1.0, 3.0, 4.0)
    )
    assert float(total) == 1 + 6 + 2
    assert {task: float(weight) for task, weight in weights.items()} == {
        "classes": 1,
        "boxes": 2,
        "segmentation": 0.5,
    }


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_the_reported_weight_is_the_gradient_of_the_total(method):
    weighting = TaskWeighting(method, {"classes": 1.0, "boxes": 2.0, "segmentation": 0.5})
    values = (0.7, 1.9, 0.2)
    _, weights = weighting(losses_of(*values))
    reported = [float(weight) for weight in weights.values()]
    np.testing.assert_allclose(pulls(weighting, *values), reported, rtol=1e-3)


def test_only_uncertainty_learns_scalars():
    assert {method: len(TaskWeighting(method, TASKS).variables) for method in WEIGHTINGS} == {
        "fixed": 0,
        "uncertainty": 3,
        "uw_so": 0,
        "log": 0,
    }


def test_uncertainty_has_the_papers_gradient():
    """d/ds (exp(-s) L + s / 2) = 1/2 - exp(-s) L (Kendall et al. 2018, equation 10, s = log
    sigma^2).
    """
    weighting = TaskWeighting("uncertainty", TASKS)
    start = {"classes": -0.4, "boxes": 0.0, "segmentation": 1.3}
    for task, value in start.items():
        weighting.log_variances[task].assign(value / VARIANCE_PACE)
    values = {"classes": 0.7, "boxes": 1.9, "segmentation": 0.2}
    sources = [variable.value for variable in weighting.variables]
    with tf.GradientTape() as tape:
        total, _ = weighting({task: tf.constant(value) for task, value in values.items()})
    found = [float(g) for g in tape.gradient(total, sources)]
    assert found == pytest.approx([0.5 - math.exp(-start[t]) * values[t] for t in TASKS], rel=1e-5)


def test_uncertainty_settles_at_log_of_twice_the_loss():
    weighting = TaskWeighting("uncertainty", TASKS)
    values = (0.3, 1.0, 6.0)
    sources = [variable.value for variable in weighting.variables]
    for _ in range(60):
        with tf.GradientTape() as tape:
            total, _ = weighting(losses_of(*values))
        for variable, gradient in zip(
            weighting.variables,
            tape.gradient(total, [v.value for v in weighting.variables]),
            strict=True,
        ):
            variable.assign(variable.value - 0.1 * gradient)
    assert len(sources) == 3
    settled = [VARIANCE_PACE * float(variable.value) for variable in weighting.variables]
    assert settled == pytest.approx([math.log(2 * value) for value in values], abs=1e-3)


def test_uw_so_is_the_softmax_of_inverse_losses():
    values, temperature = np.array([0.5, 1.0, 4.0]), 2.0
    _, weights = TaskWeighting("uw_so", TASKS, temperature)(losses_of(*values))
    expected = np.exp(1 / values / temperature)
    np.testing.assert_allclose(
        list(map(float, weights.values())), expected / expected.sum(), rtol=1e-5
    )


def test_uw_so_gives_larger_losses_smaller_weights_that_sum_to_one():
    _, weights = TaskWeighting("uw_so", TASKS)(losses_of(0.5, 1.0, 4.0))
    found = [float(weight) for weight in weights.values()]
    assert found == sorted(found, reverse=True) and sum(found) == pytest.approx(1)


def test_uw_so_is_invariant_to_a_common_scale_with_its_temperature():
    """All losses c times larger and the temperature c times smaller: the same weights."""
    one = TaskWeighting("uw_so", TASKS, 3.0)(losses_of(0.5, 1.0, 4.0))[1]
    other = TaskWeighting("uw_so", TASKS, 0.3)(losses_of(5.0, 10.0, 40.0))[1]
    np.testing.assert_allclose(
        list(map(float, one.values())), list(map(float, other.values())), rtol=1e-5
    )


def test_uw_so_starves_no_task_when_losses_are_near_zero():
    _, weights = TaskWeighting("uw_so", TASKS)(losses_of(1e-4, 0.3, 2e-3))
    assert min(float(weight) for weight in weights.values()) > 0.05


@pytest.mark.parametrize("scale", [0.1, 10.0, 1000.0])
def test_log_does_not_care_for_the_scale_of_a_loss(scale):
    """The step that a task takes, weight times gradient of its loss, stays the same."""
    weighting = TaskWeighting("log", TASKS)
    plain, scaled = pulls(weighting, 0.5, 1.0, 2.0), pulls(weighting, 0.5 * scale, 1.0, 2.0)
    assert scaled[0] * scale == pytest.approx(plain[0], rel=5e-3)
    np.testing.assert_allclose(scaled[1:], plain[1:])


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_a_task_without_labels_leaves_the_others_alone(method):
    """A batch without masks has a segmentation loss of exactly 0, which is no sign of success."""
    weighting = TaskWeighting(method, TASKS)
    found = pulls(weighting, 0.7, 1.9, 0.0)
    assert np.isfinite(found).all() and (found[:2] > 0.1).all()
    if method == "uncertainty":
        with tf.GradientTape() as tape:
            total, _ = weighting(losses_of(0.7, 1.9, 0.0))
        assert float(tape.gradient(total, weighting.log_variances["segmentation"].value)) == 0


@pytest.mark.parametrize("method", ["log", "uncertainty", "uw_so"])
def test_a_task_without_labels_is_reported_with_weight_0(method):
    _, weights = TaskWeighting(method, TASKS)(losses_of(0.7, 1.9, 0.0))
    assert float(weights["segmentation"]) == 0 and float(weights["boxes"]) > 0


@pytest.mark.parametrize("method", WEIGHTINGS)
def test_the_given_weights_count_in_every_method(method):
    """Twice the weight of a task doubles its pull, inside of a logarithm it would do nothing; 0
    leaves it out.
    """
    plain, heavy = (
        TaskWeighting(method, TASKS),
        TaskWeighting(method, TASKS | {"boxes": 2.0, "segmentation": 0.0}),
    )
    one, other = pulls(plain, 0.7, 1.9, 0.2), pulls(heavy, 0.7, 1.9, 0.2)
    assert other[2] == 0
    if method == "uw_so":
        assert other[1] > 1.2 * one[1]
    else:
        assert other[1] == pytest.approx(2 * one[1]) and other[0] == pytest.approx(one[0])


def test_the_given_weights_count_after_uncertainty_has_settled():
    """There, Kendall's factor is 1 / (2 L), whatever the scale of L: a weight inside would be
    cancelled.
    """
    weights, values = {"classes": 1.0, "boxes": 2.0, "segmentation": 1.0}, (0.5, 1.0, 2.0)
    weighting = TaskWeighting("uncertainty", weights)
    for variable, value in zip(weighting.variables, values, strict=True):
        variable.assign(math.log(2 * value) / VARIANCE_PACE)
    with tf.GradientTape() as tape:
        total, factors = weighting(losses_of(*values))
    gradients = tape.gradient(total, [v.value for v in weighting.variables])
    assert [float(g) for g in gradients] == pytest.approx([0, 0, 0], abs=1e-6)
    assert [float(f) for f in factors.values()] == pytest.approx([1, 1, 0.25], rel=1e-5)


def test_log_variances_move_in_a_short_run():
    """300 steps of Adam at a usual learning rate are enough for a loss of 0.1 to be weighted 5
    times.
    """
    weighting = TaskWeighting("uncertainty", TASKS)
    optimiser = keras.optimizers.Adam(1e-3)
    optimiser.build(weighting.variables)
    for _ in range(300):
        with tf.GradientTape() as tape:
            total, factors = weighting(losses_of(0.1, 0.5, 5.0))
        gradients = tape.gradient(total, [v.value for v in weighting.variables])
        optimiser.apply(gradients, weighting.variables)
    assert float(factors["classes"]) > 4 and float(factors["segmentation"]) < 0.2
