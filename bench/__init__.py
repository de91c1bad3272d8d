"""Benchmarks: each prints its own ratio against a peer measured on the same server in the same run."""
