"""Code that wraps a run: each middleware is one file with one function."""
