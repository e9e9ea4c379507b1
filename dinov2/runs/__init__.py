"""Runs of the pipeline: each in a clone of its own, recorded as a branch, and made again from it."""
