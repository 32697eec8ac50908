"""Measures the queue against the bare stores it stands on: ``python -m bench``."""
