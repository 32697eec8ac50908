"""What a project's own LOGGING does with a record, seen from the handlers that a consumer adds to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

OURS = "djutils"
"""The logger above all of ours."""


class OurHandler(logging.Handler):
    """A handler of the consumer's own: what the project has configured is judged without it."""


class OurFilter(logging.Filter):
    """A filter that the consumer put on a handler of the project's: not the project's wish."""


def is_ours(name: str) -> bool:
    """Return whether the logger ``name`` is one of djutils."""
    return name.partition(".")[0] == OURS


def project_handlers(name: str) -> Iterator[logging.Handler]:
    """Yield the project's handlers that a record of the logger ``name`` comes to, in this order."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger:
        yield from (handler for handler in logger.handlers if not isinstance(handler, OurHandler))
        logger = logger.parent if logger.propagate else None
