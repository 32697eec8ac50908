"""What djutils does by itself, figure by figure: ``python -m bench.figures``. Nothing is compared with peers."""
