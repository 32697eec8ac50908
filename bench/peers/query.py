"""The one query; apart, since only some peers have Django."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType


def one_row() -> None:
    ContentType.objects.filter(pk=1).first()
