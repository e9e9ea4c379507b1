"""Nearest neighbours by cosine: indexes propose, exact arithmetic decides."""

from dinov2.curation.search.config import SearchConfig
from dinov2.curation.search.gpus import has_gpus
from dinov2.curation.search.pairs import Pairs
from dinov2.curation.search.search import fill, search

__all__ = ["Pairs", "SearchConfig", "fill", "has_gpus", "search"]
