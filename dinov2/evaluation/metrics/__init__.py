"""Metrics as pure functions, and the statistics of those that are more than a mean."""
