"""From what each round found to medians."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.found import KEPT_PART
from bench.peers.measure import Case


class Turn(NamedTuple):
    """What one round found of one case with commands that do nothing."""

    enqueued: dict[str, float]
    drained: dict[int, float]
    """Commands per second by so many processes."""
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
            "drain per s, 1 process": self.drained.get(1),
            "drain per s, 2 processes": self.drained.get(2),
            "pss mb, 1 process": self.idle.get("pss mb"),
            "idle cpu s per min": self.idle.get("cpu s per min"),
            "idle queries per s": self.idle.get("queries per s"),
        }
        return {name: value for name, value in (found | late).items() if value is not None}

    def of(self, bare: Turn) -> dict[str, float]:
        """Return which part of the bare store this was."""
        mine, other = self.enqueued, bare.enqueued
        parts = {
            "enqueue of bare": (mine.get("each per s"), other.get("each per s")),
            "enqueue of bare by Django": (mine.get("each per s"), other.get("by Django per s")),
            "enqueue many of bare": (mine.get("many per s"), other.get("many per s")),
            "drain of bare": (max(self.drained.values()), max(bare.drained.values())),
        }
        return {name: value / most for name, (value, most) in parts.items() if value and most}


def add(found: dict[str, Any], case: Case, figures: dict[str, float]) -> None:
    """Put the figures of one round of one case to the others."""
    peer = found["peers"].setdefault(case.module, _described(case))
    kept = peer["stores"].setdefault(case.store.name, {})
    mine = kept.setdefault(case.configuration, _configuration(case))["figures"]
    for name, value in figures.items():
        mine.setdefault(name, []).append(value)


def _described(case: Case) -> dict[str, Any]:
    packages = case.about["packages"]
    return {
        "name": case.peer["name"],
        "version": packages.get(case.peer["distribution"], "unknown"),
        "python": case.about["python"],
        "packages": packages,
        **({"results": case.peer["results"]} if "results" in case.peer else {}),
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
                figures = {name: _figure(values) for name, values in configuration["figures"].items()}
                configuration["figures"] = figures | _kept_part(figures)


def _kept_part(figures: dict[str, Any]) -> dict[str, Any]:
    kept, noop = figures.get("kept per s, 2 processes"), figures.get("drain per s, 2 processes")
    return {KEPT_PART: _figure([kept["median"] / noop["median"]])} if kept and noop else {}


def _figure(values: list[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "all": values,
    }
