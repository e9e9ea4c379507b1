"""Depth of pixels: maps beside images."""
