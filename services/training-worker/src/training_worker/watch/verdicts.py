"""Alarms as a function of the losses at fixed noise. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DIVERGED, OVERFIT, NOT_LEARNING = "diverged", "overfit", "not learning"
SUBJECTS = (DIVERGED, OVERFIT, NOT_LEARNING)

_NUM_ABOVE_BASE = 2
_NUM_ABOVE_BEST = 3
_ABOVE_BEST = 1.1
_LEARNT = 0.98


@dataclass(frozen=True)
class Check:
    """The loss at fixed noise after a number of steps."""

    step: int
    loss: float


def verdicts(checks: Sequence[Check], *, num_steps: int, is_held_out: bool) -> Mapping[str, str]:
    """Return the alarms after these checks, by subject.

    Args:
        checks: the base model's first.
        num_steps: of the whole training.
        is_held_out: true if the loss is of pictures that are not trained on.
    """
    if len(checks) < 2:
        return {}
    base, trained = checks[0], checks[1:]
    found: dict[str, str] = {}
    if _is_diverged(base, trained):
        found[DIVERGED] = (
            f"diverged: the loss is {trained[-1].loss:.3g} after {trained[-1].step} steps, above"
            f" the base model's {base.loss:.3g}; lower learning_rate"
        )
    elif is_held_out and (best := _overfit_since(trained)):
        found[OVERFIT] = (
            f"overfit: the held-out loss is {trained[-1].loss / best.loss - 1:.0%} above its least"
            f" value, of step {best.step}; that step may be the better one, and fewer steps enough"
        )
    elif _is_not_learning(base, trained, num_steps):
        found[NOT_LEARNING] = (
            f"not learning: the loss is {trained[-1].loss:.3g} after {trained[-1].step} steps, less"
            f" than 2 % below the base model's {base.loss:.3g}; raise learning_rate"
        )
    return found


def _is_diverged(base: Check, trained: Sequence[Check]) -> bool:
    last = trained[-_NUM_ABOVE_BASE:]
    return len(last) == _NUM_ABOVE_BASE and all(not check.loss <= base.loss for check in last)


def _overfit_since(trained: Sequence[Check]) -> Check | None:
    finite = [check for check in trained if math.isfinite(check.loss)]
    if not finite:
        return None
    best = min(finite, key=lambda check: check.loss)
    later = [check for check in trained if check.step > best.step][-_NUM_ABOVE_BEST:]
    is_above = all(check.loss > best.loss * _ABOVE_BEST for check in later)
    return best if len(later) == _NUM_ABOVE_BEST and is_above else None


def _is_not_learning(base: Check, trained: Sequence[Check], num_steps: int) -> bool:
    newest = trained[-1]
    return newest.step >= num_steps / 2 and not newest.loss < base.loss * _LEARNT
