"""The learning rate: a linear warm-up, then constant. A pure function of the step."""


def learning_rate_factor(step: int, warmup_steps: int) -> float:
    """Return the factor of the learning rate in a step, counted from 0."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
