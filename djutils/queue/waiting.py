"""How ``wait()`` passes the time: told of the end where the store can, else in growing pauses between two looks."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from asgiref.sync import sync_to_async

from .backends.base import BaseQueue
from .backends.subscription import Subscription
from .exceptions import BackendError

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
_LOOK_ANYWAY = 1.0
"""Seconds after which to look again even if nothing was heard: a server that fails over forgets who listened."""


class WaitForEnd:
    """The time until the message ``id`` of ``queue`` has ended, at most ``timeout`` seconds (None: no limit).

    Look, then ``sleep()``, and look again; leave the context at the end.
    """

    def __init__(self, queue: BaseQueue, id: str, timeout: float | None) -> None:
        self._queue = queue
        self._id = id
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._pause = _FIRST_PAUSE
        self._asked = False
        self._subscription: Subscription | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await sync_to_async(self._unsubscribe)()

    @property
    def is_over(self) -> bool:
        """Whether ``timeout`` seconds have passed."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def sleep(self) -> None:
        """Sleep until the message may have ended."""
        if self._has_just_subscribed():
            return
        if self._subscription is None:
            time.sleep(self._next_pause())
            return
        try:
            self._subscription.wait(self._next_pause())
        except BackendError:
            self._unsubscribe()

    async def asleep(self) -> None:
        """As ``sleep``, from a coroutine."""
        if await sync_to_async(self._has_just_subscribed)():
            return
        if self._subscription is None:
            await asyncio.sleep(self._next_pause())
            return
        try:
            await _heard(self._subscription, self._next_pause())
        except BackendError:
            await sync_to_async(self._unsubscribe)()

    def _has_just_subscribed(self) -> bool:
        """Subscribe at the first call; then the message may have ended meanwhile, and must be looked at again."""
        if self._asked:
            return False
        self._asked = True
        with suppress(BackendError):
            self._subscription = self._queue.subscribe(self._id)
        return self._subscription is not None

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _next_pause(self) -> float:
        """Return for how many seconds to sleep now."""
        if self._subscription is not None:
            pause = _LOOK_ANYWAY
        else:
            pause, self._pause = self._pause, min(_LONGEST_PAUSE, self._pause * 1.5)
        return pause if self._deadline is None else max(0.0, min(pause, self._deadline - time.monotonic()))


async def _heard(subscription: Subscription, seconds: float) -> None:
    """Return when the message has ended, or after ``seconds``; raises ``BackendError``."""
    deadline, heard = time.monotonic() + seconds, False
    while not heard and (rest := deadline - time.monotonic()) > 0:
        await _readable(subscription.fileno(), rest)
        # Other messages that end are told of as well.
        heard = await sync_to_async(subscription.wait)(0.0)


async def _readable(descriptor: int, seconds: float) -> None:
    """Return when there is something to read from ``descriptor``, or after ``seconds``."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, told.set)
    try:
        async with asyncio.timeout(seconds):
            await told.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(descriptor)
