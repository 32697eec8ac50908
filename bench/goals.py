"""The goals of djutils, and the results of a run for them: best arrangement against best arrangement."""

from __future__ import annotations

from typing import Any, NamedTuple

from bench.found import BARE, OURS, STORES, best, rows

EVERY_PEER = "every peer"
NOT_MEASURED = "not measured"


class Goal(NamedTuple):
    """One of them, for people."""

    what: str
    wanted: str
    found: str
    verdict: str


class Factor(NamedTuple):
    """At least ``wanted`` times as fast as a peer, or as all of them but some."""

    measure: str
    store: str
    wanted: float
    against: str
    but: tuple[str, ...] = ()

    def goal(self, found: dict[str, Any]) -> Goal:
        fastest = best(found, self.store, self.measure)
        others = {module: value for module, value in fastest.items() if self._is_meant(module)}
        wanted = f"at least {self.wanted:g} x {self._others(found)}"
        if OURS not in fastest or not others:
            return _goal(self, wanted, None)
        rival = max(others, key=others.__getitem__)
        ratio = fastest[OURS] / others[rival]
        shown = f"{ratio:.2f}" if self.against != EVERY_PEER else f"{ratio:.2f} ({_name(found, rival)})"
        return _goal(self, wanted, ratio >= self.wanted, shown)

    def _is_meant(self, module: str) -> bool:
        if self.against == EVERY_PEER:
            return module not in {OURS, BARE, *self.but}
        return module == self.against

    def _others(self, found: dict[str, Any]) -> str:
        if self.against != EVERY_PEER:
            return _name(found, self.against)
        but = ", ".join(_name(found, module) for module in self.but)
        return f"{EVERY_PEER} but {but}" if but else EVERY_PEER


class Part(NamedTuple):
    """At least so much of what the bare store does."""

    measure: str
    store: str
    wanted: float
    by: str = ""

    def goal(self, found: dict[str, Any]) -> Goal:
        part = best(found, self.store, f"{self.measure} of bare{self.by}").get(OURS)
        wanted = f"at least {self.wanted:g} x bare {STORES[self.store]}{self.by}"
        if part is None:
            return _goal(self, wanted, None)
        return _goal(self, wanted, part >= self.wanted, f"{part:.2f}")


class Limit(NamedTuple):
    """At most so much, in every configuration."""

    measure: str
    store: str
    wanted: float
    unit: str

    def goal(self, found: dict[str, Any]) -> Goal:
        ours = [row.medians(self.measure) for row in rows(found, self.store) if row.module == OURS]
        most = max((value for values in ours for value in values), default=None)
        wanted = f"at most {self.wanted:g} {self.unit}"
        if most is None:
            return _goal(self, wanted, None)
        return _goal(self, wanted, most <= self.wanted, f"{most:.1f} {self.unit}")


WANTED = (
    Factor("drain", "redis", 10, EVERY_PEER),
    Part("drain", "redis", 0.35),
    Factor("drain", "postgres", 2, "with_pgqueuer"),
    Factor("drain", "postgres", 15, EVERY_PEER, but=("with_pgqueuer",)),
    Part("drain", "postgres", 0.7),
    Factor("drain", "sqlite", 4, "with_huey"),
    Factor("drain", "sqlite", 30, "with_django_tasks_db"),
    Factor("drain", "sqlite", 30, "with_django_q2"),
    Part("drain", "sqlite", 0.5),
    Part("drain", "mariadb", 0.6),
    Part("enqueue", "redis", 0.9),
    Part("enqueue", "postgres", 0.8, by=" by Django"),
    Part("enqueue", "sqlite", 0.8, by=" by Django"),
    Factor("enqueue", "redis", 1, EVERY_PEER),
    Factor("enqueue", "postgres", 1, EVERY_PEER),
    Factor("enqueue", "sqlite", 1, EVERY_PEER),
    Part("enqueue many", "redis", 0.5),
    Part("enqueue many", "postgres", 0.5),
    Part("enqueue many", "sqlite", 0.5),
    Factor("enqueue many", "redis", 10, EVERY_PEER),
    Factor("enqueue many", "postgres", 2, "with_pgqueuer"),
    Limit("pick-up p50", "sqlite", 5, "ms"),
    Limit("PSS", "redis", 60, "MB"),
    Limit("PSS", "postgres", 60, "MB"),
    Limit("PSS", "sqlite", 60, "MB"),
)


def goals(found: dict[str, Any]) -> list[Goal]:
    """Return all goals, including those that were not measured."""
    return [wanted.goal(found) for wanted in WANTED]


def _goal(of: Factor | Part | Limit, wanted: str, reached: bool | None, shown: str = "") -> Goal:
    verdict = NOT_MEASURED if reached is None else "reached" if reached else "missed"
    return Goal(f"{of.measure}, {STORES[of.store]}", wanted, shown, verdict)


def _name(found: dict[str, Any], module: str) -> str:
    unmeasured = {"name": module.removeprefix("with_").replace("_", "-")}
    return str(found["peers"].get(module, unmeasured)["name"])
