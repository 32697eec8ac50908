"""Code that acts on a message on its way: each middleware is one file with one class."""
