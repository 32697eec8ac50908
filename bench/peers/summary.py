"""From what each round found to medians, and to a table for people."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.peers.measure import Case

_COLUMNS = {
    "enqueue per s": "enqueue/s",
    "enqueue many per s": "many/s",
    "drain per s, 1 process": "drain/s, 1",
    "drain per s, 2 processes": "drain/s, 2",
    "pick-up p50 ms": "p50 ms",
    "pick-up p95 ms": "p95 ms",
    "pick-up p99 ms": "p99 ms",
    "pss mb, 1 process": "PSS MB",
}


class Turn(NamedTuple):
    """What one round found of one case."""

    enqueued: dict[str, float]
    one: dict[str, Any]
    two: dict[str, Any]
    milliseconds: list[float]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:,.1f}" for name, value in self.figures().items())

    def figures(self) -> dict[str, float]:
        found = {
            "enqueue per s": self.enqueued["each per s"],
            "drain per s, 1 process": self.one["per s"],
            "drain per s, 2 processes": self.two["per s"],
            "pss mb, 1 process": self.one["pss mb"],
        }
        if "many per s" in self.enqueued:
            found["enqueue many per s"] = self.enqueued["many per s"]
        return found | {f"pick-up p{one} ms": quantile(self.milliseconds, one) for one in (50, 95, 99)}


def add(found: dict[str, Any], case: Case, turn: Turn) -> None:
    """Put one round of one case to the others."""
    peer = found["peers"].setdefault(case.module, _described(case))
    kept = peer["stores"].setdefault(case.store.name, {})
    mine = kept.setdefault(case.configuration, _configuration(case))["figures"]
    for name, value in turn.figures().items():
        mine.setdefault(name, []).append(value)


def _described(case: Case) -> dict[str, Any]:
    packages = case.about["packages"]
    return {
        "name": case.peer["name"],
        "version": packages.get(case.peer["distribution"], "unknown"),
        "python": case.about["python"],
        "packages": packages,
        "stores": {},
    }


def _configuration(case: Case) -> dict[str, Any]:
    said = case.said
    kept = said["kept"] if isinstance(said["kept"], str) else said["kept"][case.store.name]
    return {"what": said["what"], "kept": kept, "why": said["why"], "figures": {}}


def quantile(values: list[float], percent: int) -> float:
    """Among few values the highest percentiles are the largest value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def close(found: dict[str, Any]) -> None:
    """Make a figure of each list."""
    for peer in found["peers"].values():
        for kept in peer["stores"].values():
            for configuration in kept.values():
                configuration["figures"] = {
                    name: _figure(values) for name, values in configuration["figures"].items()
                }


def _figure(values: list[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "all": values,
    }


def table(found: dict[str, Any]) -> str:
    """Answer the medians for people: one line for each peer, store and configuration."""
    rows = [("peer", "store", "configuration", "kept", *_COLUMNS.values())]
    for peer in found["peers"].values():
        rows += [
            (f"{peer['name']} {peer['version']}", store, name, one["kept"], *_cells(one["figures"]))
            for store, kept in peer["stores"].items()
            for name, one in kept.items()
        ]
    rows[1:] = sorted(rows[1:], key=lambda row: (row[1], row[0], row[2]))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", "kept: what kill -9 of a worker does to the command it runs"]
    lines += [f"FAILED {_place(failed)}\n  {failed['error']}" for failed in found["failed"]]
    lines += [f"not measured: {name}, {reason}" for name, reason in found["not measured"].items()]
    return "\n".join(lines)


def _place(failed: dict[str, Any]) -> str:
    return ", ".join(str(value) for name, value in failed.items() if name != "error")


def _cells(figures: dict[str, Any]) -> list[str]:
    medians = [figures[name]["median"] if name in figures else None for name in _COLUMNS]
    return [
        "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in medians
    ]
