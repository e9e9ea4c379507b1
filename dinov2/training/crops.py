"""The parts of a step on the device, and the random numbers of their stochastic depth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from dinov2.data.images import normalise
from dinov2.data.loader import Batch
from dinov2.models.depth import Draw, keep_some, zero_some

STREAM = 1
"""Sets these random numbers apart from those of augmentation and masks."""


@dataclass(frozen=True)
class Crops:
    """The crops of B images: floats for the networks, and which patches are predicted.

    Attributes:
        globals: (2 B, 3, G, G), all first crops, then all second.
        locals: (L B, 3, l, l).
        hidden: (2 B, N) bool, patches the student does not see; None where it sees all.
        predicted: (2 B, N) bool, patches whose assignment it predicts.
        groups: numbers, within the step, of the groups of images.
    """

    globals: Tensor
    locals: Tensor
    hidden: Tensor | None
    predicted: Tensor
    groups: range = range(1)

    @property
    def chosen(self) -> Tensor:
        """Numbers of the predicted patches, counted over (2 B x N)."""
        return self.predicted.flatten().nonzero()[:, 0]


@dataclass(frozen=True)
class Parts:
    """This process's share of a step, in parts that fit into memory; each is made ready when it is its turn.

    Attributes:
        batches: 8-bit crops of equal parts.
        device: where the networks are.
        distilling: nothing is hidden, and every patch is predicted.
        first: number of the first group of images within the step.
        size: images of a group.
    """

    batches: Sequence[Batch]
    device: torch.device
    distilling: bool
    first: int
    size: int

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Crops]:
        start = self.first
        for batch in self.batches:
            stop = start + len(batch.images) // self.size
            yield self._ready(batch.to(self.device), range(start, stop))
            start = stop

    def _ready(self, batch: Batch, groups: range) -> Crops:
        return Crops(
            globals=normalise(batch.globals),
            locals=normalise(batch.locals),
            hidden=None if self.distilling else batch.masks,
            predicted=torch.ones_like(batch.masks) if self.distilling else batch.masks,
            groups=groups,
        )


@dataclass(frozen=True)
class Depth:
    """Stochastic depth of one network, the same wherever a group of images is trained on.

    Attributes:
        seed: of the run.
        size: images of a group, the sequences of which are drawn from together.
        branches: residual branches of the network.
        drop_path: share of the sequences that skip a branch.
        zeroed: they are computed all the same.
    """

    seed: int
    size: int
    branches: int
    drop_path: float
    zeroed: bool = False

    def draw(self, step: int, crops: Crops) -> Draw | None:
        """How the branches are added for one part of a step; None where nothing is dropped."""
        if self.drop_path == 0.0:
            return None
        images = len(crops.groups) * self.size
        counts = [len(batch) // images for batch in (crops.globals, crops.locals) if len(batch)]
        keys = [part.to(crops.globals.device) for part in self.keys(step, crops.groups, counts)]
        return partial(zero_some if self.zeroed else keep_some, keys=keys, run=self.size, drop_path=self.drop_path)

    def keys(self, step: int, groups: range, counts: Sequence[int]) -> list[Tensor]:
        """Random numbers (branches, count x images) for crops of which an image has `counts`, in the order of `Crops`.

        They are a function of the seed, the step and the number of the group.
        """
        shape = (self.branches, sum(counts), self.size)
        seeds = [(self.seed, step, group, STREAM) for group in groups]
        drawn = np.stack([default_rng(seed).random(shape, np.float32) for seed in seeds], axis=2)
        return [part.flatten(1) for part in torch.from_numpy(drawn).split(list(counts), dim=1)]
