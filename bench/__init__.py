"""Measures djutils, its peers and the bare stores they stand on: ``python -m bench``."""
