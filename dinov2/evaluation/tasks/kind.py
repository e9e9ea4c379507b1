"""What is common to all kinds of tasks."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch

from dinov2.errors import ConfigError
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Extractor, Request
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.dense import Watcher

T = TypeVar("T")
FEATURES = "features"
"""What the time of a backbone is counted under, whatever protocols its features are for."""


class Clock:
    """Seconds by name, added up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started


@dataclass(frozen=True)
class Setting:
    """How tasks are measured.

    Attributes:
        config: of the protocols.
        extractor: makes and keeps features.
        seed: of whatever is drawn.
        device: that heads are trained on.
        clock: counts the time of each protocol.
        watchers: by protocol, see the predictions for pixels.
    """

    config: EvaluateConfig
    extractor: Extractor
    seed: int
    device: torch.device
    clock: Clock = field(default_factory=Clock)
    watchers: Mapping[str, Watcher] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of tasks.

    Attributes:
        fitting: names of the protocols that a task can be judged by.
        usual: those of them that are taken when none is named.
        requests: by name, the features of a backbone that some protocols read: what processes share out beforehand.
        measure: what each of some protocols answers about a backbone, in the order in which they are named.
        pixels: the control of pixels for a backbone, or None.
    """

    fitting: Callable[[T], tuple[str, ...]]
    usual: Callable[[T], tuple[str, ...]]
    requests: Callable[[T, Backbone, Sequence[str], EvaluateConfig], dict[str, Request]]
    measure: Callable[[T, Backbone, Sequence[str], Setting], dict[str, Answer]]
    pixels: Callable[[int, torch.device], Backbone] | None


AnyKind = Kind[Any]


def check_resolution(backbone: Backbone, resolution: int, key: str) -> None:
    """Refuse a resolution that the backbone's patches do not tile.

    Raises:
        ConfigError: names `key` and the nearest sizes allowed.
    """
    patch = backbone.patch_size
    if resolution % patch:
        below = max(1, resolution // patch) * patch
        raise ConfigError(
            f"{key}: {resolution} is not a multiple of the patch, {patch}; near: {below}, {below + patch}"
        )
