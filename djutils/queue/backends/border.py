"""The border to a backend: outside it every error is a ``BackendError``."""

from __future__ import annotations

from collections.abc import Callable

from djutils.queue.exceptions import BackendError, BackendUnavailable


def nothing() -> None:
    """Do nothing: the default for a hook."""


class border:  # noqa: N801  (used like a function; as a class it takes a third of the time)
    """Turn everything that a backend raises into a ``BackendError``; a driver's own error counts as an outage.

    ``heard`` is called each time the backend has replied.
    """

    def __init__(self, queue: object, heard: Callable[[], object] = nothing) -> None:
        self._queue = queue
        self._heard = heard

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._heard()
        elif isinstance(error, Exception) and not isinstance(error, BackendError):
            backend = type(self._queue).__name__
            raise BackendUnavailable(f"{backend} failed with {type(error).__name__}: {error}.") from error
