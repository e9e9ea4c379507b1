"""Retrieval of the pool's images that are like curated ones."""

from dinov2.curation.retrieval.choice import WHY
from dinov2.curation.retrieval.retrieve import Method, Sets, fill, find_centres, method_for, retrieve

__all__ = ["WHY", "Method", "Sets", "fill", "find_centres", "method_for", "retrieve"]
