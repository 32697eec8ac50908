"""What djutils knows of OpenTelemetry, an optional package: the trace context of a call travels with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.propagate import extract, inject

from djutils.queue.middleware.carry import NOTHING


class TraceContext:
    """``"trace"`` in ``QUEUE_CARRY``: what the propagators of the project inject, by default W3C's ``traceparent`` and baggage."""

    def value(self) -> Any:
        """Return what is injected into the headers of a request; ``NOTHING`` without a trace."""
        headers: dict[str, str] = {}
        inject(headers)
        return headers or NOTHING

    @contextmanager
    def restored(self, value: dict[str, str]) -> Iterator[None]:
        """Attach it meanwhile: a span that starts then is a child of the caller's."""
        token = attach(extract(value))
        try:
            yield
        finally:
            detach(token)
