"""The parameters of a function, read without evaluating its annotations."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from math import inf
from typing import Any

from .exceptions import WrongArguments

__all__ = ["Parameters", "signature_of"]

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # Reading annotations evaluates them: a name that does not exist yet would be an error.
    signature_of = functools.partial(inspect.signature, annotation_format=Format.STRING)
else:
    signature_of = inspect.signature


class Parameters:
    """The parameters of a function; for a decorated function, those of the wrapper."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = function.__qualname__
        self._signature = signature_of(function, follow_wrapped=False)
        kinds = [(one.kind, one.default is one.empty) for one in self._signature.parameters.values()]
        plain = [needed for kind, needed in kinds if kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self.least: float = sum(plain)
        """So many positional arguments, up to ``most``, fit without keywords."""
        self.most: float = len(plain)
        if any(kind is inspect.Parameter.VAR_POSITIONAL for kind, _ in kinds):
            self.most = inf
        if any(kind is inspect.Parameter.KEYWORD_ONLY and needed for kind, needed in kinds):
            self.least = inf

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise ``WrongArguments`` if the arguments do not match."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongArguments(
                f"{self._name}{self._signature} cannot be called like this: {error}; nothing was sent."
            ) from None
