"""The directive ``command-options``: the options of a command and what their values must be, from the code itself.

``command-options:: periodic`` lists those that only periodic commands have.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from djutils.queue.chain import DECLARED
from djutils.queue.schedule import SCHEDULED


class CommandOptions(SphinxDirective):
    """Lists every option of a declaration with the rule for its values."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        options = SCHEDULED if self.arguments == ["periodic"] else DECLARED
        return self.parse_text_to_nodes(
            "\n".join(f"``{name}``\n    {option.rule}" for name, option in options.items())
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("command-options", CommandOptions)
    return {"parallel_read_safe": True}
