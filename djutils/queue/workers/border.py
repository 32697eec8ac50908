"""The border to a backend: behind it every error is one of ours."""

from __future__ import annotations

from djutils.queue.backends.base import BaseQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable


class border:  # noqa: N801  (read as a function; as a class it costs a third of the time)
    """Make whatever a backend raises a ``BackendError``: a driver's own error may be waited out."""

    def __init__(self, queue: BaseQueue) -> None:
        self._queue = queue

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, BackendError):
            backend = type(self._queue).__name__
            raise BackendUnavailable(f"{backend} failed with {type(error).__name__}: {error}.") from error
