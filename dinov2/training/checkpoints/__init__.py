"""Checkpoints: how they lie in the store, are written in the background and checked before they are used."""

from dinov2.training.checkpoints.checkpoints import Checkpoints, complete

__all__ = ["Checkpoints", "complete"]
