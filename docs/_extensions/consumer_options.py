"""The directive ``consumer-options``: the consumer's command line, as defined by its parser."""

from __future__ import annotations

from argparse import Action, ArgumentParser

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from djutils.queue.bin.options import add_arguments


class ConsumerOptions(SphinxDirective):
    """Lists every option with its values and its help."""

    def run(self) -> list[nodes.Node]:
        parser = ArgumentParser(add_help=False)
        add_arguments(parser)
        text = "\n\n".join(describe(action, parser) for action in parser._actions)
        return self.parse_text_to_nodes(text)


def describe(action: Action, parser: ArgumentParser) -> str:
    """Return one ``option`` directive."""
    value = ""
    if action.nargs != 0:
        value = " " + (str(action.metavar or "") or value_of(action))
    names = ", ".join(name + value for name in action.option_strings)
    words = parser._get_formatter()._expand_help(action)
    return f".. option:: {names}\n\n   {words[0].upper()}{words[1:]}."


def value_of(action: Action) -> str:
    """Return a placeholder for the value, as ``--help`` would."""
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("consumer-options", ConsumerOptions)
    return {"parallel_read_safe": True}
