"""From what each round found to medians."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.peers.measure import Case


class Turn(NamedTuple):
    """What one round found of one case with commands that do nothing."""

    enqueued: dict[str, float]
    one: dict[str, Any]
    two: dict[str, Any]
    idle: dict[str, Any]

    def figures(self) -> dict[str, float]:
        milliseconds = self.idle.get("ms")
        late = {
            f"pick-up p{one} ms": quantile(milliseconds, one) if milliseconds else None
            for one in (50, 95, 99)
        }
        found = {
            "enqueue per s": self.enqueued["each per s"],
            "enqueue by Django per s": self.enqueued.get("by Django per s"),
            "enqueue many per s": self.enqueued.get("many per s"),
            "drain per s, 1 process": self.one["per s"],
            "drain per s, 2 processes": self.two["per s"],
            "pss mb, 1 process": self.one["pss mb"],
            "idle cpu s per min": self.idle.get("cpu s per min"),
            "idle queries per s": self.idle.get("queries per s"),
        }
        return {name: value for name, value in (found | late).items() if value is not None}


class Worked(NamedTuple):
    """What one round found of one case with commands that do something."""

    work: str
    two: dict[str, Any]

    def figures(self) -> dict[str, float]:
        return {f"{self.work} per s, 2 processes": self.two["per s"]}


def add(found: dict[str, Any], case: Case, turn: Turn | Worked) -> None:
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
