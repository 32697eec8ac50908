"""How a page looks where there is no Sphinx: on GitHub, and a README on a package index."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree

# GitHub's own, apart from the level: what it leaves out in silence is what we want to hear of.
GITHUB = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "strip_comments": True,
    "doctitle_xform": False,
    "report_level": 2,
    "halt_level": 5,
    "syntax_highlight": "none",
}


@cache
def as_on_github(page: Path) -> tuple[nodes.document, str]:
    """Return the page without Sphinx, and what was left out because only Sphinx knows it."""
    complaints = io.StringIO()
    document = publish_doctree(
        page.read_text(encoding="utf-8"),
        source_path=str(page),
        settings_overrides=GITHUB | {"warning_stream": complaints},
    )
    return document, complaints.getvalue()


def links(page: Path) -> Iterator[str]:
    """Yield every target of a link or an image that is not an address elsewhere."""
    document, _ = as_on_github(page)
    for node in document.findall(lambda node: isinstance(node, nodes.reference | nodes.image)):
        target = node.get("refuri") or node.get("uri") or (f"#{node['refid']}" if "refid" in node else "")
        if target and not re.match(r"[a-z]+:", target):
            yield target


def leads_somewhere(page: Path, link: str) -> bool:
    """Return whether the file is there, and in it what stands after the ``#``."""
    name, _, anchor = link.partition("#")
    file = page.parent / name if name else page
    if not (file.is_file() and (not anchor or file.suffix == ".rst")):
        return False
    return not anchor or anchor in as_on_github(file)[0].ids
