"""Spherical k-means over matrices of vectors, flat and hierarchical, and shares of clusters in a balanced sample."""

from dinov2.curation.kmeans.assignment import assign, fill
from dinov2.curation.kmeans.balance import quotas
from dinov2.curation.kmeans.fit import spherical_kmeans
from dinov2.curation.kmeans.levels import Hierarchy, hierarchy

__all__ = ["Hierarchy", "assign", "fill", "hierarchy", "quotas", "spherical_kmeans"]
