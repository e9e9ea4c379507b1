"""Doing something on every rank so that a failure on one is known to all, and none waits for it in vain."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException

from dinov2.errors import UnreachableError, UserError

T = TypeVar("T")


class Ranks:
    """All ranks, over a gloo group of their own: it may be used in a thread while training uses the main one.

    All ranks must make one, after the process group is there.
    """

    def __init__(self) -> None:
        self.group = dist.new_group(backend="gloo")
        self.rank, self.world = dist.get_rank(), dist.get_world_size()

    def every(self, action: Callable[[], T]) -> list[T]:
        """Do `action` on every rank, each of which must call.

        Returns:
            What each rank got, in the order of the ranks.

        Raises:
            UserError: it failed on a rank; the message names the first such rank and the cause. All ranks raise.
            UnreachableError: the same, when that rank waited in vain for a store.
        """
        result, error = None, None
        try:
            result = action()
        except Exception as failure:
            error = failure
        # Only the text is sent: not every error can be pickled.
        outcomes: list[tuple[T | None, str | None, bool]] = [(None, None, False)] * self.world
        own = result, error and in_one_line(error), error is not None and waited_in_vain(error)
        dist.all_gather_object(outcomes, own, group=self.group)
        for rank, (_, text, in_vain) in enumerate(outcomes):
            if text is not None:
                raise (UnreachableError if in_vain else UserError)(f"rank {rank}: {text}") from error
        return [cast(T, value) for value, _, _ in outcomes]

    def first(self, action: Callable[[], T]) -> T:
        """Do `action` on rank 0 and give all ranks what it got; as `every` else."""
        return cast(T, self.every(action if self.rank == 0 else lambda: None)[0])


def waited_in_vain(error: BaseException) -> bool:
    """Whether a store that is away is behind an error; of a distributed checkpoint's, on the first rank that failed."""
    if isinstance(error, CheckpointException):
        return isinstance(min(error.failures.items())[1][0], UnreachableError)
    return isinstance(error, UnreachableError)


def in_one_line(error: BaseException) -> str:
    """Kind and text of an error; of a distributed checkpoint's, those of the first rank that failed."""
    if isinstance(error, CheckpointException):
        rank, (first, _) = min(error.failures.items())
        return f"rank {rank}: {in_one_line(first)}"
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError | UnreachableError) else f"{type(error).__name__}: {text}"
