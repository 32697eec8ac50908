"""What djutils wants to reach, and what of it a run has found: best arrangement against best arrangement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.found import BARE, OURS, STORES, best, rows

EVERY_PEER = "every peer"
NOT_MEASURED = "not measured"


class Factor(NamedTuple):
    """At least ``wanted`` times as fast as a case, or as all of the peers but some."""

    measure: str
    store: str
    wanted: float
    against: str
    but: tuple[str, ...] = ()
    of: str = ""
    """What the other is measured by, if not by the same."""


class Limit(NamedTuple):
    """At most so much, in every configuration."""

    measure: str
    store: str
    wanted: float
    unit: str


class Goal(NamedTuple):
    """One of them, for people."""

    what: str
    wanted: str
    found: str
    verdict: str


FACTORS = (
    Factor("drain", "redis", 10, EVERY_PEER),
    Factor("drain", "redis", 0.35, BARE),
    Factor("drain", "postgres", 2, "with_pgqueuer"),
    Factor("drain", "postgres", 15, EVERY_PEER, but=("with_pgqueuer",)),
    Factor("drain", "postgres", 0.7, BARE),
    Factor("drain", "sqlite", 4, "with_huey"),
    Factor("drain", "sqlite", 30, "with_django_tasks_db"),
    Factor("drain", "sqlite", 30, "with_django_q2"),
    Factor("drain", "sqlite", 0.5, BARE),
    Factor("enqueue", "redis", 0.9, BARE),
    Factor("enqueue", "postgres", 0.8, BARE, of="enqueue by Django"),
    Factor("enqueue", "sqlite", 0.8, BARE, of="enqueue by Django"),
    Factor("enqueue", "redis", 1, EVERY_PEER),
    Factor("enqueue", "postgres", 1, EVERY_PEER),
    Factor("enqueue", "sqlite", 1, EVERY_PEER),
    Factor("enqueue many", "redis", 0.5, BARE),
    Factor("enqueue many", "postgres", 0.5, BARE),
    Factor("enqueue many", "sqlite", 0.5, BARE),
    Factor("enqueue many", "redis", 10, EVERY_PEER),
    Factor("enqueue many", "postgres", 2, "with_pgqueuer"),
)
LIMITS = (
    Limit("pick-up p50", "sqlite", 5, "ms"),
    *(Limit("PSS", store, 60, "MB") for store in ("redis", "postgres", "sqlite")),
)


def goals(found: dict[str, Any]) -> Iterator[Goal]:
    """Answer all of them, those of which nothing was measured as well."""
    for factor in FACTORS:
        yield _factor(found, factor)
    for limit in LIMITS:
        yield _limit(found, limit)


def _factor(found: dict[str, Any], factor: Factor) -> Goal:
    fastest = best(found, factor.store, factor.measure)
    measured = best(found, factor.store, factor.of or factor.measure)
    others = {module: value for module, value in measured.items() if _is_meant(factor, module)}
    what = f"{factor.measure}, {STORES[factor.store]}"
    wanted = f"at least {factor.wanted:g} x {_named(found, factor)}"
    if OURS not in fastest or not others:
        return Goal(what, wanted, "", NOT_MEASURED)
    rival = max(others, key=others.__getitem__)
    ratio = fastest[OURS] / others[rival]
    shown = f"{ratio:.2f}" if factor.against != EVERY_PEER else f"{ratio:.2f} ({_name(found, rival)})"
    return Goal(what, wanted, shown, _verdict(ratio >= factor.wanted))


def _is_meant(factor: Factor, module: str) -> bool:
    if factor.against == EVERY_PEER:
        return module not in {OURS, BARE, *factor.but}
    return module == factor.against


def _named(found: dict[str, Any], factor: Factor) -> str:
    if factor.against == BARE:
        return f"bare {STORES[factor.store]}{' by Django' if factor.of else ''}"
    if factor.against == EVERY_PEER:
        but = ", ".join(_name(found, module) for module in factor.but)
        return f"every peer but {but}" if but else EVERY_PEER
    return _name(found, factor.against)


def _name(found: dict[str, Any], module: str) -> str:
    unmeasured = {"name": module.removeprefix("with_").replace("_", "-")}
    return str(found["peers"].get(module, unmeasured)["name"])


def _limit(found: dict[str, Any], limit: Limit) -> Goal:
    values = [
        value
        for row in rows(found, limit.store)
        if row.module == OURS
        for value in row.medians(limit.measure)
    ]
    what, wanted = f"{limit.measure}, {STORES[limit.store]}", f"at most {limit.wanted:g} {limit.unit}"
    if not values:
        return Goal(what, wanted, "", NOT_MEASURED)
    return Goal(what, wanted, f"{max(values):.1f} {limit.unit}", _verdict(max(values) <= limit.wanted))


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"
