"""Stopping when asked: any rank may be told, all must stop after the same step."""

import signal
from types import FrameType
from typing import Self

import torch
import torch.distributed as dist

from dinov2.errors import EXIT_AGAIN

__all__ = ["EXIT_AGAIN", "StopRequest", "StoppedError", "agree"]


class StoppedError(Exception):
    """The run was told to stop, saved its state, and can be started again."""


class StopRequest:
    """Notes SIGTERM while the block lasts, so that the step in hand can be finished."""

    asked = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *exc: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def agree(stopping: bool, saving: bool, device: torch.device) -> tuple[bool, bool]:
    """Whether any rank wants to stop, and any to save: clocks and signals differ between them."""
    if dist.get_world_size() == 1:
        return stopping, saving
    wishes = torch.tensor([stopping, saving], dtype=torch.int32, device=device)
    dist.all_reduce(wishes, op=dist.ReduceOp.MAX)
    stop, save = wishes.tolist()
    return bool(stop), bool(save)
