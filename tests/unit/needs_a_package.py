"""A middleware whose module needs what is not installed."""

import no_such_package  # type: ignore[import-not-found]  # noqa: F401

from djutils.queue import Middleware  # noqa: F401
