"""What changed from one curated manifest to another: which images, why, and how far the embeddings moved."""

from dinov2.curation.diff.changes import CHANGES, Count, compare, counts, descriptors, rows
from dinov2.curation.diff.drift import Drift, measure
from dinov2.curation.diff.picture import draw

__all__ = ["CHANGES", "Count", "Drift", "compare", "counts", "descriptors", "draw", "measure", "rows"]
