"""Where a fault happens: a queue, its server, consumers, a producer, and a history."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from django.db import connections

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.exceptions import BackendError
from tests.consumers import Consumer
from tests.project.app import trials
from tests.project.databases import to_url
from tests.servers import Server
from tests.sites import REDIS, Site
from tests.waiting import wait_until

from .history import History
from .proxy import Proxy

LEASE = 3.0
PATIENCE = 60.0
BEFORE = 0.6
"""The share of the commands that wait already when the consumer starts."""
PROCESSES = 2
THREADS = 2
_KEPT_IN_REDIS = {"count", "wake", "lives"}
_PUBLISHED = (":store:counters:", ":store:worker ")
"""What consumers tell operators, which expires by itself."""
_KEPT_FOR_THE_DEAD = {"messages", "about", "dead"}


class Wires(NamedTuple):
    """The proxies between the backend and its clients."""

    consumers: Proxy
    producers: Proxy


def through(url: str, proxy: Proxy) -> str:
    """The URL of a server, led through ``proxy``."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()


class Field:
    """What a fault can use. ``queue`` leads to the backend directly, without a proxy."""

    def __init__(
        self,
        site: Site,
        server: Server,
        random: Random,
        stack: ExitStack,
        wires: Wires | None = None,
    ) -> None:
        self.site = site
        self.stack = stack
        """Closed when the test is over."""
        self.server = server
        self.random = random
        self.queue = site.direct_queue()
        self._wires = wires
        self.history = History(site.file("trials"))
        self.pauses: list[float] = []
        self.exit_code = 0
        """The exit code that the consumers must end with."""
        self.others: list[Consumer] = []
        self.start_consumer()

    @property
    def wires(self) -> Wires:
        assert self._wires, "this fault needs wired=True"
        return self._wires

    @property
    def simple(self) -> bool:
        """Whether the backend has only the four methods."""
        return not isinstance(self.queue, LeasedQueue)

    # Consumers.

    def start_consumer(
        self, *options: str, environment: Mapping[str, str] | None = None, processes: int = PROCESSES
    ) -> Consumer:
        """Start a consumer, in place of an earlier one."""
        changed = self.site.wired | dict(environment or {})
        self.consumer: Consumer = self._start("log", options, changed, processes)
        return self.consumer

    def start_another(
        self, *, directly: bool = False, environment: Mapping[str, str] | None = None
    ) -> Consumer:
        """Start a consumer beside the first, as on another host; ``directly``: not through the proxy."""
        wired = {} if directly else self.site.wired
        changed = wired | dict(environment or {})
        another = self._start(f"{len(self.others) + 2}.log", (), changed, PROCESSES)
        self.others.append(another)
        return another

    def start_wired(self) -> tuple[Consumer, Proxy]:
        """Start a consumer beside the first that reaches the backend through its own proxy."""
        proxy = self.stack.enter_context(Proxy(urlsplit(self.server.url).port or 0))
        return self.start_another(directly=True, environment=self.led_through(proxy)), proxy

    def led_through(self, proxy: Proxy) -> dict[str, str]:
        """Return the environment that leads a consumer through ``proxy``, to be merged over that of the site."""
        if self.site.environment["DJUTILS_TEST_QUEUE_BACKEND"] == REDIS:
            return {"DJUTILS_TEST_QUEUE_CONNECTION": through(self.server.url, proxy)}
        url = to_url(connections[self.site.alias].settings_dict)
        return {"DJUTILS_TEST_DATABASE_URL": through(url, proxy)}

    def _start(
        self, log: str, options: Sequence[str], environment: Mapping[str, str], processes: int
    ) -> Consumer:
        options = ("--lease", str(LEASE), *options)
        return self.site.consumer(
            *options, log=log, environment=environment, processes=processes, threads=THREADS
        )

    def living(self) -> list[Consumer]:
        """The consumers that run."""
        return [consumer for consumer in (self.consumer, *self.others) if consumer.is_running()]

    # Time.

    def pause(self, least: float, most: float) -> None:
        """Let things go on for a random time."""
        end = time.monotonic() + self.random.uniform(least, most)
        wait_until(lambda: time.monotonic() >= end, most + 1, every=0.001)

    # Producers.

    def send(self, number: int) -> None:
        """Send a command, repeatedly until the backend confirms it."""
        sendings = iter(range(10**6))
        wait_until(lambda: self._try_to_send(number, next(sendings)), PATIENCE, every=0.1)

    def _try_to_send(self, number: int, sending: int) -> bool:
        try:
            trials.record(self.history.folder, number, sending, self.pauses[number])
        except BackendError:
            self.history.doubtful.add(number)
            return False
        self.history.note_sent(number)
        return True

    def send_all(self, count: int) -> None:
        """Send the first part, then the rest in a separate thread while other things happen."""
        self.pauses = [self.random.uniform(0.001, 0.002) for _ in range(count)]
        first = round(count * BEFORE)
        for number in range(first):
            self.send(number)
        self._rest = threading.Thread(target=self.send_slowly, args=(range(first, count),))
        self._rest.start()

    def finish_sending(self) -> None:
        """Wait until everything is sent."""
        self._rest.join(PATIENCE)
        assert not self._rest.is_alive(), self.site.logs()[-6000:]

    def send_slowly(self, numbers: range) -> None:
        """Send one after the other, in a thread that ends after it."""
        for number in numbers:
            self.send(number)
        with suppress(BackendError):
            connections.close_all()

    def send_more(self, count: int, pause: float) -> None:
        """Send commands that take longer, ``pause`` seconds each."""
        first = len(self.pauses)
        self.pauses += [pause] * count
        for number in range(first, first + count):
            self.send(number)

    # Results.

    def wait_for(self, runs: int) -> None:
        """Wait until that many different commands have run."""
        wait_until(lambda: len(self.history.executed()) >= runs, PATIENCE, 0.01, self.site.logs)

    def is_done(self) -> bool:
        """Return whether nothing waits and nothing is lent."""
        with suppress(BackendError):
            stats = self.queue.stats()
            return not (stats.ready or stats.delayed or stats.leased or stats.waiting)
        return False

    def remembers_no_lane(self) -> bool:
        """Return whether a living consumer has removed every empty lane from Redis; databases are tidied once a minute."""
        if not isinstance(self.queue, RedisQueue):
            return True
        return not self.queue.server.call("EXISTS", f"{{djq:{self.queue.name}}}:lanes:rules")

    def knows_only_the_living(self) -> bool:
        """Return whether every owner whose process died has been removed."""
        if not isinstance(self.queue, LeasedQueue):  # it registers no owners
            return True
        with suppress(BackendError):
            return len(self.queue.owners()) == sum(consumer.processes for consumer in self.living())
        return False

    def leftovers(self) -> list[str]:
        """Return what should not be there when every consumer has ended."""
        found = [f"process {pid}" for one in (self.consumer, *self.others) for pid in one.members()]
        if isinstance(self.queue, LeasedQueue):
            found += [f"owner {owner}" for owner in self.queue.owners()]
        if isinstance(self.queue, RedisQueue):
            kept = _KEPT_IN_REDIS | (_KEPT_FOR_THE_DEAD if self.queue.stats().dead else set())
            keys = self.queue.server.call("KEYS", f"*{{djq:{self.queue.name}}}*")
            others = [key for key in map(bytes.decode, keys) if not any(part in key for part in _PUBLISHED)]
            found += [f"key {key}" for key in others if key.rpartition(":")[2] not in kept]
        return found
