"""Commands for the tests of coroutine workers: what one does while others run in the same loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

from djutils.queue.current import current_message
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import Drop, Postpone, Reject

from .commands_for_tests import gates, ran

mood: contextvars.ContextVar[str] = contextvars.ContextVar("mood", default="")


async def opened(gate: str) -> None:
    """Wait, without blocking the loop, until the gate is open."""
    while not gates[gate].is_set():  # noqa: ASYNC110  (it is opened in another thread)
        await asyncio.sleep(0.005)


@queue_command
async def stay(gate: str, name: Any = "") -> None:
    """Be there until the gate opens, and say in which thread and as which message."""
    message = current_message()
    assert message is not None
    ran.append(("began", name))
    await opened(gate)
    again = current_message()
    assert again is not None
    assert again.id == message.id
    ran.append(("ended", name, threading.current_thread().name))


@queue_command
async def gather(count: int) -> int:
    """Wait for several things at once."""
    ran.append(sum(await asyncio.gather(*(later(number) for number in range(count)))))
    return count


async def later(value: int) -> int:
    await asyncio.sleep(0.001)
    return value


@queue_command(max_attempts=1)
async def end_in(error: BaseException) -> None:
    """Await something, and raise."""
    await asyncio.sleep(0)
    raise error


@queue_command(max_attempts=1)
async def end_in_gathered(error: BaseException) -> None:
    """Raise in something that is awaited beside others."""
    await asyncio.gather(later(1), raised(error))


async def raised(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


@queue_command(max_attempts=1)
async def cancel_itself() -> None:
    """Cancel what runs it."""
    current: Any = asyncio.current_task()
    current.cancel()
    await asyncio.sleep(1)


@queue_command(time_limit=0.1, max_attempts=1)
async def oversleep(seconds: float) -> None:
    """Sleep for longer than it may."""
    try:
        await asyncio.sleep(seconds)
    finally:
        ran.append("woken")


@queue_command(time_limit=0.05, max_attempts=1)
async def tidy_up_and_go_on() -> None:
    """Take the cancellation as a hint to come to an end."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        ran.append("tidied up")
    await asyncio.sleep(0.01)
    ran.append("went on")


@queue_command
async def block(gate: str) -> None:
    """Keep the loop from doing anything else."""
    ran.append("blocks")
    gates[gate].wait(10)


@queue_command
async def set_mood(text: str) -> None:
    """Leave something in the context, and see whether another command did."""
    assert mood.get() == ""
    mood.set(text)
    await asyncio.sleep(0.01)
    ran.append(mood.get())


@queue_command
async def postpone_or_drop(which: str) -> None:
    """Ask for another outcome."""
    raise {"postpone": Postpone(60), "drop": Drop("nothing to do"), "reject": Reject("never")}[which]


@queue_command
async def leave_behind(gate: str) -> None:
    """End, and leave something running in the loop."""

    async def go_on() -> None:
        try:
            await opened(gate)
        except asyncio.CancelledError:
            ran.append("cancelled")
            raise

    left.append(asyncio.create_task(go_on()))
    await asyncio.sleep(0)
    ran.append("left")


left: list[Any] = []


@queue_command
def plain(value: Any) -> None:
    """Say in which thread a plain command runs."""
    ran.append((value, threading.current_thread().name))


@queue_command
def plain_hold(gate: str) -> None:
    """Keep a thread."""
    ran.append("holds")
    gates[gate].wait(10)
