"""Copies out of the training images: of each other, and of evaluation images."""

from dinov2.curation.deduplicate.deduplicate import deduplicate, fill
from dinov2.curation.deduplicate.graph import Thresholds
from dinov2.curation.deduplicate.outcome import DUPLICATES, TRAINING

__all__ = ["DUPLICATES", "TRAINING", "Thresholds", "deduplicate", "fill"]
