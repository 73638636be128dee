"""The generator that draws for code without a generator of its own."""

import torch

from training_worker.loop.randomness import seed_default_generator


def test_the_default_generator_is_seeded_as_by_torch() -> None:
    seed_default_generator(2**64 - 1, torch.device("cpu"))
    ours = torch.rand(3)
    torch.manual_seed(2**64 - 1)
    assert torch.equal(ours, torch.rand(3))
    assert not torch.equal(ours, torch.rand(3))
