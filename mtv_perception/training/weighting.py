"""How the losses of several tasks become one.

`fixed`: given weights. `uncertainty`: Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses",
sum of exp(-s) * L + s / 2 with learned s = log sigma^2 (equation 10 with the classification form's factor).
`uw_so`: Kirchdorfer et al. 2024, "Analytical Uncertainty-Based Loss Weighting", weights softmax((1 / L) / T) of the
detached losses. `log`: sum of log L, the scale-invariant form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

Losses = Mapping[str, tf.Tensor]
WEIGHTINGS = ("fixed", "uncertainty", "uw_so", "log")
_TINY = 1e-4
# Below this, `uw_so` takes losses as equal: its softmax would leave all but the smallest one to starve.
_LEAST_LOSS = 0.05


class TaskWeighting:
    """Combines task losses.

    Args:
        method: one of WEIGHTINGS.
        weights: factor of each task, applied before the method; its keys name the tasks.
        temperature: of the softmax in `uw_so`.

    Attributes:
        variables: learned scalars, one a task (`uncertainty`), else none; to be trained and saved with the model.
    """

    def __init__(self, method: str, weights: Mapping[str, float], temperature: float = 10.0) -> None:
        if method not in WEIGHTINGS:
            raise ValueError(f"Expected a weighting of {', '.join(WEIGHTINGS)}, got {method!r}.")
        self._weights = dict(weights)
        self._temperature = temperature
        learned = method == "uncertainty"
        self.log_variances = {
            task: keras.Variable(0.0, name=f"log_variance_{task}") for task in weights if learned
        }
        self._combine: Callable[[Losses], tuple[tf.Tensor, Losses]] = getattr(self, f"_{method}")

    @property
    def variables(self) -> list[keras.Variable]:
        """The learned scalars."""
        return list(self.log_variances.values())

    def __call__(self, losses: Losses) -> tuple[tf.Tensor, Losses]:
        """The total loss, and the effective weight of each task: the gradient of the total by the task's loss.

        A loss of exactly 0 is a batch without labels for the task; it neither counts nor moves the weights.
        """
        total, factors = self._combine(
            {task: losses[task] * weight for task, weight in self._weights.items()}
        )
        return total, {task: factors[task] * weight for task, weight in self._weights.items()}

    def _fixed(self, losses: Losses) -> tuple[tf.Tensor, Losses]:
        return tf.add_n(list(losses.values())), {task: tf.constant(1.0) for task in losses}

    def _uncertainty(self, losses: Losses) -> tuple[tf.Tensor, Losses]:
        scalars = {task: tf.convert_to_tensor(s) for task, s in self.log_variances.items()}
        weights = {task: tf.exp(-s) for task, s in scalars.items()}
        total = [
            tf.where(loss > 0, weights[task] * loss + scalars[task] / 2, 0.0) for task, loss in losses.items()
        ]
        return tf.add_n(total), weights

    def _uw_so(self, losses: Losses) -> tuple[tf.Tensor, Losses]:
        detached = tf.stop_gradient(tf.stack(list(losses.values())))
        scores = 1 / tf.maximum(detached, _LEAST_LOSS) / self._temperature
        shares = tf.nn.softmax(tf.where(detached > 0, scores, -1e9))
        weights = dict(zip(losses, tf.unstack(shares, len(losses)), strict=True))
        return tf.add_n([weights[task] * losses[task] for task in losses]), weights

    def _log(self, losses: Losses) -> tuple[tf.Tensor, Losses]:
        total = [tf.where(loss > 0, tf.math.log(loss + _TINY), 0.0) for loss in losses.values()]
        return tf.add_n(total), {task: 1 / (tf.stop_gradient(loss) + _TINY) for task, loss in losses.items()}
