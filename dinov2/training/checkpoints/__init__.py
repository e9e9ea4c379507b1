"""Checkpoints: how they lie in the store, are written in the background and checked before they are used."""

from dinov2.training.checkpoints.checkpoints import FOLDER, Checkpoints, complete, folder_of

__all__ = ["FOLDER", "Checkpoints", "complete", "folder_of"]
