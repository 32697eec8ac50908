"""The parameters of a function, read without evaluating its annotations."""

from __future__ import annotations

import functools
import inspect
import sys

__all__ = ["signature_of"]

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # Reading annotations evaluates them: a name that does not exist yet would be an error.
    signature_of = functools.partial(inspect.signature, annotation_format=Format.STRING)
else:
    signature_of = inspect.signature
