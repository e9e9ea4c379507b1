"""The built-in sample: a pool, a curated set and a labelled set with known truth, made here, without a network."""

from dinov2.data.sample.make import make_sample, truth
from dinov2.data.sample.source import SAMPLE, SampleSource

__all__ = ["SAMPLE", "SampleSource", "make_sample", "truth"]
