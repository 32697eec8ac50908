"""``manage.py write_page FILE``: the guestbook as one page to look at without a server."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.core.management.base import BaseCommand
from django.core.paginator import Paginator
from django.template.loader import render_to_string

from ...models import Entry
from ...views import context


class Command(BaseCommand):
    """Writes all entries as one HTML page; it finds its pictures in the folder ``media`` beside it."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name of the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        everything = list(Entry.objects.all())
        shown = Paginator(everything, max(1, len(everything))).get_page(1)
        style = Path(str(finders.find("guestbook/style.css"))).read_text(encoding="utf-8")
        content = context(shown, everything) | {"media": "media/", "style": style}
        options["file"].write_text(render_to_string("guestbook/page.html", content), encoding="utf-8")
