"""Figures of djutils alone: ``python -m bench.figures``. Nothing is compared with peers."""
