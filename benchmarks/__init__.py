"""Measurements that anyone can repeat; each prints ratios against a baseline of the same run."""
