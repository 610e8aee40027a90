"""How the losses of several tasks become one.

W is the given weight of a task, which counts in all of them.

`fixed`: sum of w * L. `uncertainty`: Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to
Weigh Losses", sum of w * (exp(-s) * L + s / 2) with learned s = log sigma^2 (equation 10 with the
classification form's factor). `uw_so`: Kirchdorfer et al. 2024, "Analytical Uncertainty-Based Loss
Weighting", weights softmax((1 / L) / T) of the detached losses w * L. `log`: sum of w * log L, the
scale-invariant form. w stands outside of the logarithm, and of Kendall's bracket: inside, it would
be one more scale, to which they are indifferent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
from keras import ops

from mtv_perception.training.losses.detection import Tensor

Losses = Mapping[str, Tensor]
_TINY = 1e-4
# Below this, `uw_so` takes losses as equal: its softmax would leave all but the smallest one to
# starve.
_LEAST_LOSS = 0.05
# How many times further than a weight of the network a log variance moves in a step: it has to
# cross several units, and at the network's learning rate it would hardly leave 0 in a run of a
# thousand steps.
VARIANCE_PACE = 10.0


class TaskWeighting:
    """Combines task losses.

    Args:
        method: one of WEIGHTINGS.
        weights: factor of each task; its keys name the tasks.
        temperature: of the softmax in `uw_so`.

    Attributes:
        log_variances: learned scalars s / VARIANCE_PACE by task (`uncertainty`), else none; to be
            trained and saved with the model.
    """

    def __init__(
        self, method: str, weights: Mapping[str, float], temperature: float = 10.0
    ) -> None:
        if method not in WEIGHTINGS:
            raise ValueError(f"Expected a weighting of {', '.join(WEIGHTINGS)}, got {method!r}.")
        self.weights, self.temperature = dict(weights), temperature
        self.log_variances = {
            task: keras.Variable(0.0, name=f"log_variance_{task}")
            for task in weights
            if method == "uncertainty"
        }
        self._combine = _METHODS[method]

    @property
    def variables(self) -> list[keras.Variable]:
        """The learned scalars."""
        return list(self.log_variances.values())

    def __call__(self, losses: Losses) -> tuple[Tensor, Losses]:
        """The total loss, and the effective weight of each task.

        The gradient of the total by the task's loss.

        A loss of exactly 0 is a batch without labels for the task; it neither counts nor moves the
        weights.
        """
        total, factors = self._combine(self, {task: losses[task] for task in self.weights})
        return sum(total.values()), factors


# Each gives the parts of the total, and the factors, by task.
def _fixed(weighting: TaskWeighting, losses: Losses) -> tuple[Losses, Losses]:
    factors = {
        task: ops.convert_to_tensor(weight, "float32") for task, weight in weighting.weights.items()
    }
    return {task: factors[task] * loss for task, loss in losses.items()}, factors


def _uncertainty(weighting: TaskWeighting, losses: Losses) -> tuple[Losses, Losses]:
    parts, factors = {}, {}
    for task, loss in losses.items():
        variable = ops.convert_to_tensor(weighting.log_variances[task])
        # Of the value s, with the gradient by s: clipping sees the paper's gradient, and each
        # update goes further.
        s = variable + ops.stop_gradient((VARIANCE_PACE - 1) * variable)
        weight = weighting.weights[task]
        parts[task] = ops.where(loss > 0, weight * (ops.exp(-s) * loss + s / 2), 0.0)
        factors[task] = ops.where(loss > 0, weight * ops.exp(-s), 0.0)
    return parts, factors


def _uw_so(weighting: TaskWeighting, losses: Losses) -> tuple[Losses, Losses]:
    weighted = {task: weight * losses[task] for task, weight in weighting.weights.items()}
    detached = ops.stop_gradient(ops.stack(list(weighted.values())))
    scores = 1 / ops.maximum(detached, _LEAST_LOSS) / weighting.temperature
    shares = ops.unstack(ops.softmax(ops.where(detached > 0, scores, -1e9)), len(weighted))
    factors = {
        task: share * weight
        for (task, weight), share in zip(weighting.weights.items(), shares, strict=True)
    }
    return {task: factors[task] * loss for task, loss in losses.items()}, factors


def _log(weighting: TaskWeighting, losses: Losses) -> tuple[Losses, Losses]:
    parts, factors = {}, {}
    for task, loss in losses.items():
        weight = weighting.weights[task]
        parts[task] = ops.where(loss > 0, weight * ops.log(loss + _TINY), 0.0)
        factors[task] = ops.where(loss > 0, weight / (ops.stop_gradient(loss) + _TINY), 0.0)
    return parts, factors


_METHODS: dict[str, Callable[[TaskWeighting, Losses], tuple[Losses, Losses]]] = {
    "fixed": _fixed,
    "uncertainty": _uncertainty,
    "uw_so": _uw_so,
    "log": _log,
}
WEIGHTINGS = tuple(_METHODS)
