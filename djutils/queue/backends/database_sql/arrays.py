"""Arrays for PostgreSQL, as the text that its server reads.

psycopg writes a list element by element, in Python: with some hundred ids that takes thirty times as long, and more than
the server takes to read it. Bytes are twice as long as text: only where they are short.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


def text_array(words: Collection[str]) -> str:
    """Return ``words`` as an array literal."""
    together = "".join(words)
    if '"' in together or "\\" in together:
        words = [word.replace("\\", "\\\\").replace('"', '\\"') for word in words]
    return '{"' + '","'.join(words) + '"}' if words else "{}"


def bytes_array(values: Iterable[bytes]) -> str:
    """Return ``values``, at least one, as an array literal of ``bytea``."""
    return '{"\\\\x' + '","\\\\x'.join([value.hex() for value in values]) + '"}'


def number_array(numbers: Iterable[int]) -> str:
    """Return ``numbers`` as an array literal."""
    return "{" + ",".join(map(str, numbers)) + "}"
