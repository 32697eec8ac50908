"""Which peers there are, read out of their modules without importing them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

NOT_MEASURED: dict[str, str] = {}
"""Peers that were tried and left out, and why."""

LEADERS = {
    "with_huey": ("redis", "sqlite"),
    "with_dramatiq": ("redis",),
    "with_rq": ("redis",),
    "with_pgqueuer": ("postgres",),
    "with_chancy": ("postgres",),
}
"""The peers that were among the fastest at something, and where."""

CONFIGURATIONS = ("default", "fastest")
WORK = ("noop", "sleep", "cpu", "query", "payload", "kept")


def modules() -> list[str]:
    """The names of all peers' modules, such as ``with_rq``."""
    return sorted(path.stem for path in Path(__file__).parent.glob("with_*.py"))


def declared(module: str) -> dict[str, Any]:
    """The literal ``PEER`` of a peer's module; ``protocol.py`` says what is in it."""
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["PEER"]:
            return dict(ast.literal_eval(node.value))
    raise LookupError(f"{module} declares no PEER")
