"""Retrieval of the pool's images that are like curated ones."""

from dinov2.curation.retrieval.retrieve import WHY, Curated, retrieve

__all__ = ["WHY", "Curated", "retrieve"]
