"""A task in a module that is no ``tasks.py``, which no consumer imports before it is asked for it."""

from __future__ import annotations

from django.tasks import task


@task
def far_away(number: int) -> int:
    """Return the next number."""
    return number + 1
