"""Plain text tables that are also valid reStructuredText."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a simple table; the first cell of a row must not be empty."""
    every = [head, *rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(head))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]
    rule = "  ".join("=" * max(width, 1) for width in widths)
    return [rule, lines[0], rule, *lines[1:], rule]
