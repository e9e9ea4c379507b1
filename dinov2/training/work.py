"""What a run is told to do, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import torch

from dinov2.data.sources import ImageReader
from dinov2.storage import Store, digest
from dinov2.training.config import TrainingConfig
from dinov2.training.execution import Execution

VERSION = 2
"""Raised whenever equal parameters train to other weights, so that no older checkpoint is gone on from."""


class Tracker(Protocol):
    """Where metrics go while a run lasts."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Take the metrics of a step; never waits for a network."""

    def restore(self, rows: Mapping[int, dict[str, float]]) -> None:
        """Take those of steps done before the run was resumed: who had them may have lost them."""


@dataclass(frozen=True)
class Work:
    """What a run is told: everything that determines its result, and where the result goes.

    Attributes:
        name: for people.
        config: hyperparameters.
        seed: of weights, order and augmentation.
        images: training manifest.
        images_digest: names the manifest's content.
        start: training file to continue from, if any.
        start_digest: names its content.
        teacher: training file of a frozen teacher, if any.
        teacher_digest: names its content.
        backbone: where the backbone is written.
        training: where student, average and heads are written, if they are.
    """

    name: str
    config: TrainingConfig
    seed: int
    images: pa.Table
    images_digest: str
    backbone: Path
    start: Path | None = None
    start_digest: str = ""
    teacher: Path | None = None
    teacher_digest: str = ""
    training: Path | None = None

    @property
    def digest(self) -> str:
        """Names the run by all that determines its result."""
        inputs = (self.images_digest, self.start_digest, self.teacher_digest)
        return digest("training", VERSION, self.config.model_dump(mode="json"), self.seed, inputs)


@dataclass(frozen=True)
class Place:
    """Where and how a run is done; nothing here changes its result by more than rounding.

    Attributes:
        store: where images and checkpoints live.
        reader: of images.
        device: what tensors are computed on.
        workers: loading processes.
        checkpoint_seconds: between checkpoints.
        execution: how the networks are computed.
        keep: newest checkpoints that are kept.
        milestones: every so many steps a checkpoint is kept for good; 0 keeps none.
    """

    store: Store
    reader: ImageReader
    device: torch.device
    workers: int
    checkpoint_seconds: float
    execution: Execution = field(default_factory=Execution)
    keep: int = 2
    milestones: int = 0
