"""The steps at which samples are made, and at which losses are measured at fixed noise."""

from training_worker.loop.config import LoopConfig

_MIN_CHECKS = 8
"""Checks of a run without a sample in between: alarms need several."""


def is_sample_step(config: LoopConfig, step: int) -> bool:
    """Tell whether samples are made: before the first step, each `sample_every`, at the end."""
    values = config.values
    return step % values.sample_every == 0 or step == values.steps


def is_check_step(config: LoopConfig, step: int) -> bool:
    """Tell whether the loss at fixed noise is measured: as samples are made, at least 8 times."""
    every = max(1, config.values.steps // _MIN_CHECKS)
    return is_sample_step(config, step) or step % every == 0


def samples_left(config: LoopConfig, step: int) -> int:
    """Return the number of later steps at which samples are made."""
    values = config.values
    whole, rest = divmod(values.steps, values.sample_every)
    return max(0, whole + bool(rest) - step // values.sample_every) if step < values.steps else 0


def saves_left(config: LoopConfig, step: int) -> int:
    """Return the number of later steps at which saves are kept, the end included."""
    values = config.values
    whole, rest = divmod(values.steps, values.save_every)
    return max(0, whole + bool(rest) - step // values.save_every) if step < values.steps else 0
