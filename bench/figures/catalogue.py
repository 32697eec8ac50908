"""Which figures there are, and for which kinds of work each is measured."""

from __future__ import annotations

from bench.peers.catalogue import WORK

FIGURES = {"kinds": WORK}
