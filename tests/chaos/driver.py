"""One run: numbered commands are sent and run while something breaks, then everything is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import NamedTuple

from django.db import connections

from djutils.queue.exceptions import BackendUnavailable
from tests.consumers import Consumer
from tests.project.app import commands
from tests.servers import Server
from tests.sites import Site
from tests.waiting import wait_until

from .history import History, Verdict

LEASE = "3"
PATIENCE = 60.0
BEFORE = 0.6
"""The share of the commands that wait already when the consumer starts."""


class Field:
    """What a fault can reach."""

    def __init__(self, site: Site, server: Server, random: Random) -> None:
        self.site = site
        self.server = server
        self.random = random
        self.history = History(site.file("history"))
        self.start_consumer()

    def start_consumer(self) -> None:
        """Start one; where there was one, in its place."""
        self.consumer: Consumer = self.site.consumer("--lease", LEASE, processes=2, threads=2)

    def pause(self, least: float, most: float) -> None:
        """Let things go on for a random time."""
        end = time.monotonic() + self.random.uniform(least, most)
        wait_until(lambda: time.monotonic() >= end, every=0.001)

    def send(self, number: int) -> None:
        """Send a command, and again until the backend says that it has it."""
        wait_until(lambda: self._try_to_send(number), PATIENCE, every=0.1)

    def _try_to_send(self, number: int) -> bool:
        try:
            commands.append(self.history.path, number, self.pauses[number])
        except BackendUnavailable:
            self.history.doubtful.add(number)
            return False
        self.history.sent.add(number)
        return True

    def send_all(self, count: int) -> threading.Thread:
        """Send the first part, then the rest in a thread of its own while other things happen."""
        self.pauses = [self.random.uniform(0.001, 0.002) for _ in range(count)]
        first = round(count * BEFORE)
        for number in range(first):
            self.send(number)
        rest = threading.Thread(target=self._send_slowly, args=(range(first, count),))
        rest.start()
        return rest

    def _send_slowly(self, numbers: range) -> None:
        for number in numbers:
            self.send(number)
        with suppress(BackendUnavailable):
            connections.close_all()

    def wait_for(self, runs: int) -> None:
        """Wait until so many different commands have run."""
        wait_until(lambda: len(self.history.executed()) >= runs, PATIENCE, 0.01, self.consumer.log)

    def is_done(self) -> bool:
        """Does nothing wait and is nothing lent?"""
        with suppress(BackendUnavailable):
            stats = self.site.queue.stats()
            return not (stats.ready or stats.delayed or stats.leased)
        return False


class Row(NamedTuple):
    """What came of one run."""

    fault: str
    backend: str
    verdict: Verdict
    recovery: float
    """Seconds from the last fault until all that was sent had run."""
    took: float


def run(fault: Callable[[Field], None], times: int, field: Field, backend: str, count: int = 1000) -> Row:
    """Have ``fault`` happen at random moments of the work, wait for the end, and count.

    Raises ``AssertionError`` if it does not end, or leaves a process behind.
    """
    begun = time.monotonic()
    sending = field.send_all(count)
    for number in range(times):
        share = 0.05 + 0.75 * (number + field.random.random()) / times
        field.wait_for(round(share * count))
        field.pause(0.0, 0.05)
        fault(field)
    broken = time.monotonic()
    sending.join(PATIENCE)
    wait_until(field.is_done, PATIENCE, why=lambda: f"{field.site.queue.stats()}\n{field.consumer.log()}")
    recovery = time.monotonic() - broken
    assert field.consumer.stop() == 0, field.consumer.log()
    verdict = field.history.verdict(field.site.queue)
    return Row(fault.__name__.replace("_", " "), backend, verdict, recovery, time.monotonic() - begun)
