"""Measures djutils, its peers and the bare stores they use: ``python -m bench``."""
