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
    """Return ``lua/<name>.lua`` after the common code, unless it is marked as standing alone.

    Its first line may name further files to put between: ``-- with taking, lanes``.
    """
    text = _read(name)
    first, *_ = text.split("\n", 1)
    if first.startswith("-- with "):
        text = "\n".join([_read("common"), *map(_read, first.removeprefix("-- with ").split(", ")), text])
    elif not first.startswith("-- alone"):
        text = f"{_read('common')}\n{text}"
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (resources.files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
