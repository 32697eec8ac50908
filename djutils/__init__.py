"""djutils: run functions later, in another process, from any Django project."""

__version__ = "1.0.0"
