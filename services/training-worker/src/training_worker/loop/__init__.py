"""The training loop: configuration, randomness, loss, optimizers, averaged weights, steps."""
