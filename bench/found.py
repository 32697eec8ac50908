"""Reads the results of a run: the best of each case, over its configurations and numbers of processes."""

from __future__ import annotations

from typing import Any, NamedTuple

OURS, BARE = "with_djutils", "with_bare"
STORES = {"redis": "Redis", "postgres": "PostgreSQL", "sqlite": "SQLite", "mariadb": "MariaDB"}
"""As people write them, in the order of the tables."""

PARTS = ("enqueue of bare", "enqueue of bare by Django", "enqueue many of bare", "drain of bare")
"""Which part of the bare store it was, each round's to the bare store measured right after it."""

KEPT_PART = "kept of noop"
"""What part of the drain of commands that return nothing it was, where results were kept."""

MEASURES = {
    "enqueue": ("enqueue per s",),
    "enqueue many": ("enqueue many per s",),
    "drain": ("drain per s, 1 process", "drain per s, 2 processes"),
    "pick-up p50": ("pick-up p50 ms",),
    "PSS": ("pss mb, 1 process",),
    **{part: (part,) for part in PARTS},
}
"""What is compared, and the figures it may be."""


class Row(NamedTuple):
    """One case: a peer with one configuration on one store."""

    module: str
    name: str
    configuration: str
    kept: str
    why: str
    figures: dict[str, Any]

    def medians(self, measure: str) -> list[float]:
        return [self.figures[name]["median"] for name in MEASURES[measure] if name in self.figures]


def rows(found: dict[str, Any], store: str) -> list[Row]:
    """Every case on ``store``: the bare store, djutils, then the peers by name."""
    made = [
        Row(
            module,
            name_of(module, peer, store),
            configuration,
            one["kept"],
            one["why"],
            one["figures"],
        )
        for module, peer in found["peers"].items()
        for configuration, one in peer["stores"].get(store, {}).items()
    ]
    first = {BARE: 0, OURS: 1}
    return sorted(made, key=lambda row: (first.get(row.module, 2), row.name.lower(), row.configuration))


def name_of(module: str, peer: dict[str, Any], store: str) -> str:
    return f"bare {STORES[store]}" if module == BARE else str(peer["name"])


def best(found: dict[str, Any], store: str, measure: str) -> dict[str, float]:
    """The best median of each module on ``store`` for a measure of which more is better."""
    fastest: dict[str, float] = {}
    for row in rows(found, store):
        for value in row.medians(measure):
            fastest[row.module] = max(value, fastest.get(row.module, 0.0))
    return fastest
