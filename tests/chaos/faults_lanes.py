"""Workers are killed while hundreds of messages wait in lanes: never too wide, out of order, too fast, lost or stuck."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import NamedTuple

from tests.project.app import races
from tests.project.app.files import lines
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, FULL, fault
from .faults import kill, wait_for_workers
from .field import Field

PROCESSES = 8 if FULL else 3
EACH = 120 if FULL else 25
"""How many messages each lane gets."""
KILLS = 60 if FULL else 6
LANES = {"ordered": 4, "one": 3, "two": 3, "three": 3, "paced": 2}
_LONG = 240.0


class Moment(NamedTuple):
    """Something that happened in one of the runs, or the death of a process."""

    at: float
    kind: str
    lane: str = ""
    number: int = -1
    pid: int = 0


def send(field: Field, path: str, numbers: range) -> None:
    """Call each command once for each of its lanes with each of ``numbers``, and some plain ones between them."""
    for number in numbers:
        for name, count in LANES.items():
            for lane in range(count):
                pause = field.random.uniform(0.0, 0.01)
                fails = field.random.random() < 0.08
                getattr(races, name)(path, f"{name}-{lane}", number, pause, fails)


def moments(path: str, deaths: list[Moment]) -> list[Moment]:
    """Return what was written down, and ``deaths``, in the order in which it happened."""
    found = list(deaths)
    for line in lines(path):
        sign, lane, number, pid, at = line.split()
        found.append(Moment(float(at), sign, lane, int(number), int(pid)))
    return sorted(found)


def without(pid: int, running: dict[int, int]) -> dict[int, int]:
    """Return what runs when the process ``pid`` is dead."""
    return {number: runner for number, runner in running.items() if runner != pid}


def widest(history: list[Moment]) -> dict[str, int]:
    """Return how many ran at once in each lane, at most; what a process that was killed ran ended with it.

    A process is about to die from the moment that is noted: what it begins after that does not count.
    """
    running, widest = defaultdict[str, dict[int, int]](dict), defaultdict[str, int](int)
    dead = set[int]()
    for _, kind, lane, number, pid in history:
        if kind == "death":
            dead.add(pid)
            running = defaultdict(dict, {lane: without(pid, ran) for lane, ran in running.items()})
        elif pid not in dead and kind == "+":
            running[lane][number] = pid
            widest[lane] = max(widest[lane], len(running[lane]))
        elif pid not in dead:
            running[lane].pop(number, None)
    return dict(widest)


def out_of_order(history: list[Moment]) -> list[Moment]:
    """Return the runs of ordered lanes that began after a later one had begun."""
    furthest, wrong = defaultdict[str, int](int), []
    for moment in history:
        if moment.kind == "+" and moment.lane.startswith("ordered"):
            if moment.number < furthest[moment.lane]:
                wrong.append(moment)
            furthest[moment.lane] = max(furthest[moment.lane], moment.number)
    return wrong


def worst_rush(history: list[Moment]) -> float:
    """Return by how many starts a lane was ahead of its rate, at most."""
    worst, by_lane = 0.0, defaultdict[str, list[float]](list)
    for moment in history:
        if moment.kind == "+" and moment.lane.startswith("paced"):
            by_lane[moment.lane].append(moment.at)
    for starts in by_lane.values():
        for first, since in enumerate(starts):
            for count, at in enumerate(starts[first:], 1):
                worst = max(worst, count - races.BURST - (at - since) / races.PACE)
    return worst


@fault(
    EVERYWHERE,
    short=("postgres", "redis"),
    count=100,
    says="was killed by SIGKILL",
    settings={"QUEUE_MAX_CRASHES": "1000"},
)
def workers_killed_while_lanes_are_full(field: Field) -> None:
    """Kill workers at random while many lanes are full, and once the whole consumer; then see that no place was lost."""
    path, deaths = field.site.file("races"), list[Moment]()
    field.consumer.stop()
    consumer = field.start_consumer(processes=PROCESSES)
    for number in range(KILLS):
        send(field, path, range(number * EACH // KILLS, (number + 1) * EACH // KILLS))
        field.pause(0.1, 0.4)
        if number == KILLS // 2:
            deaths += [Moment(time.monotonic(), "death", pid=pid) for pid in consumer.members()]
            consumer.kill_all()
            wait_for_workers(consumer := field.start_consumer(processes=PROCESSES))
        elif workers := consumer.workers():
            deaths.append(Moment(time.monotonic(), "death", pid=field.random.choice(workers)))
            kill(deaths[-1].pid)
    wait_until(field.is_done, _LONG, why=lambda: f"{field.queue.stats()}\n{field.site.logs()[-6000:]}")

    history = moments(path, deaths)
    names = [f"{name}-{lane}" for name, count in LANES.items() for lane in range(count)]
    ended = {(moment.lane, moment.number) for moment in history if moment.kind == "-"}
    assert ended == {(name, number) for name in names for number in range(EACH)}, "some are lost"
    too_wide = {
        lane: width for lane, width in widest(history).items() if width > races.WIDTHS[lane.split("-")[0]]
    }
    assert not too_wide
    assert not out_of_order(history)
    assert worst_rush(history) <= 1
    # Each lane has all its places again.
    after = field.site.file("after")
    send(field, after, range(1))
    wait_until(lambda: sum(line[0] == "-" for line in lines(after)) >= len(names), why=field.site.logs)
    wait_until(field.is_done, why=field.site.logs)
    wait_until(field.remembers_no_lane, why=field.site.logs)
    wait_for_workers(consumer)
