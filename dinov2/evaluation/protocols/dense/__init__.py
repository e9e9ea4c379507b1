"""What protocols on pixels share: features of patches, in batches, and what lies between patches."""

from dinov2.evaluation.protocols.dense.source import ArraySource, DenseBatch, DenseSource, Truths, View, Watcher

__all__ = ["ArraySource", "DenseBatch", "DenseSource", "Truths", "View", "Watcher"]
