"""Features of overlapping classes."""

import numpy as np

from dinov2.evaluation.protocols.examples import Examples


def clouds(count: int, classes: int, width: int, seed: int, spread: float = 1.5) -> Examples:
    """`count` points around `classes` centres, the same for every seed; every class has some."""
    centres = np.random.default_rng(0).normal(size=(classes, width))
    generator = np.random.default_rng(seed + 1)
    labels = generator.permutation(np.arange(count) % classes)
    inputs = centres[labels] + spread * generator.normal(size=(count, width))
    return Examples(inputs.astype(np.float32), labels)
