"""What surrounds a run: each middleware is one file with one function."""
