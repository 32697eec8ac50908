"""Measures the peers of djutils, each in an environment of its own: ``python -m bench.peers``."""
