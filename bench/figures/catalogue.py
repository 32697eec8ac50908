"""Which figures there are, and for which kinds of work each is measured."""

from __future__ import annotations

from bench.peers.catalogue import WORK

_NOTHING = ("noop",)
FIGURES = {
    "kinds": WORK,
    "latency": _NOTHING,
    "memory": _NOTHING,
    "scale": _NOTHING,
    "fairness": _NOTHING,
    "store": _NOTHING,
    "stages": _NOTHING,
    "lanes": _NOTHING,
    "waiting": _NOTHING,
}
