"""The Lua scripts in ``lua/``, each of which is one operation of RedisQueue or its store."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple


class Script(NamedTuple):
    """A script's text, and the SHA by which a server identifies it."""

    text: str
    sha: str


@cache
def script_named(name: str) -> Script:
    """Return ``lua/<name>.lua`` after the common code, unless it is marked as standing alone."""
    folder = resources.files(__package__) / "lua"
    parts = ("common", "lanes", name)
    common, lanes, text = ((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    if text.startswith("-- with lanes"):
        text = f"{common}\n{lanes}\n{text}"
    elif not text.startswith("-- alone"):
        text = f"{common}\n{text}"
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
