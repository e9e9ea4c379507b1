"""The latest iterations of k-means in the store: a run that was killed goes on from them."""

from dataclasses import dataclass

import numpy as np

from dinov2.curation.keep import Keep
from dinov2.curation.kmeans.ranks import from_first, rank

KEPT = 2
"""Latest iterations that are kept: the last may be damaged."""


@dataclass(frozen=True)
class State:
    """Where k-means is after `iteration` iterations: its centroids (C, D) float32, and whether they are the last."""

    iteration: int
    finished: bool
    centroids: np.ndarray


class States:
    """States of one run. The first process reads and writes for all.

    Args:
        keep: names the run; nothing is kept when None.
    """

    def __init__(self, keep: Keep | None) -> None:
        self._keep = keep

    def latest(self, iterations: int) -> State | None:
        """The last state that is whole, of at most so many iterations; None where there is none."""
        state = self._read(iterations) if rank() == 0 else None
        shape = from_first(np.array([*state.centroids.shape, state.iteration, state.finished] if state else [0] * 4))
        if not shape.any():
            return None
        centroids = from_first(state.centroids if state else np.empty(shape[:2], np.float32))
        return State(int(shape[2]), bool(shape[3]), centroids)

    def add(self, state: State) -> None:
        """Keep a state and forget an old one."""
        if self._keep is None or rank() > 0:
            return
        arrays = {"finished": np.array(state.finished), "centroids": state.centroids}
        self._keep.within(state.iteration).made("state", lambda: arrays)
        self._keep.within(state.iteration - KEPT).forget()

    def _read(self, iterations: int) -> State | None:
        if self._keep is None:
            return None
        for iteration in range(iterations, 0, -1):
            found = self._keep.within(iteration).read("state")
            if found:
                return State(iteration, bool(found["finished"]), found["centroids"])
        return None
