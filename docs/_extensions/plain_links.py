"""Links that a reader of the repository can follow too: ``Title <page.rst>`` in single backquotes leads to a page.

GitHub shows reStructuredText without Sphinx, where ``:doc:`` is bare text. A plain link to a file of the
repository works there; here it becomes a link to the built page, or to a copy of the file.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

INCLUDED = {"SECURITY.rst": "security", "CHANGELOG.rst": "changelog", "CONTRIBUTING.rst": "contributing"}
"""Files beside the documentation, and the pages that include them."""


class PlainLinks(SphinxTransform):
    """Turns links to files into Sphinx's own, which know where the built pages are."""

    default_priority = 700

    def apply(self, **kwargs: object) -> None:
        for link in [*self.document.findall(nodes.reference)]:
            target = link.get("refuri", "")
            if target and ":" not in target and not target.startswith("#"):
                link.replace_self(self._resolved(link, target))

    def _resolved(self, link: nodes.reference, target: str) -> nodes.Node:
        source = Path(self.app.srcdir)
        file = (source / self.env.docname).parent.joinpath(target).resolve()
        if not file.is_file():
            logger.warning("There is no file %s.", target, location=link)
            return link
        where = {"refdoc": self.env.docname, "refexplicit": True}
        if file.parent == source.parent and file.name in INCLUDED:
            page = INCLUDED[file.name]
        elif file.suffix == ".rst" and file.is_relative_to(source):
            page = file.relative_to(source).with_suffix("").as_posix()
        else:
            return addnodes.download_reference("", "", *link.children, reftarget=target, **where)
        text = nodes.inline("", "", *link.children, classes=["doc"])
        return addnodes.pending_xref(
            "", text, refdomain="std", reftype="doc", reftarget=f"/{page}", refwarn=True, **where
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the links known."""
    app.add_transform(PlainLinks)
    return {"parallel_read_safe": True}
