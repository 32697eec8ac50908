"""What happens to commands that fail, ask to be run later, or kill their process."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from djutils.queue.message import DeadLetter
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until


def only_dead_letter(site: Site) -> DeadLetter:
    site.wait_until_empty()
    (letter,) = site.queue.dead_letters()
    return letter


def test_a_command_that_keeps_failing_ends_as_a_dead_letter_that_tells_everything(site: Site) -> None:
    sent = commands.stumble(site.file())
    site.consumer()

    letter = only_dead_letter(site)

    assert letter.id == sent.id
    assert len(commands.lines(site.file())) == 3
    assert (letter.attempts, letter.crashes, letter.redeliveries) == (3, 0, 0)
    assert letter.reason == "LookupError: there was something in the way"
    assert "Traceback" in letter.error
    assert "commands.py" in letter.error
    assert abs(letter.died - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_command_that_fails_twice_is_run_a_third_time(site: Site) -> None:
    commands.stumble(site.file(), 3)
    site.consumer()

    site.wait_until_empty()

    moments = [float(line) for line in commands.lines(site.file())]
    assert len(moments) == 3
    assert moments[1] - moments[0] >= 0.05 / 2
    assert moments[2] - moments[1] >= 0.1 / 2
    assert site.queue.stats().dead == 0


def test_a_command_may_ask_for_another_time(site: Site) -> None:
    commands.come_back(site.file(), 0.5)
    site.consumer()

    site.wait_until_empty()

    first, second = [float(line) for line in commands.lines(site.file())]
    assert 0.5 <= second - first < 5
    assert site.queue.stats().dead == 0


def test_a_command_may_refuse_forever(site: Site) -> None:
    commands.refuse(site.file(), "no such customer")
    site.consumer()

    letter = only_dead_letter(site)

    assert commands.lines(site.file()) == ["ran"]
    assert letter.reason.endswith("Reject: no such customer")
    assert letter.attempts == 1


POISON = [
    commands.segfault,
    commands.be_killed,
    commands.be_killed_by_a_nameless_signal,
    commands.leave_politely,
]


@pytest.mark.parametrize("poison", POISON, ids=lambda it: it.__name__)
def test_poison_is_a_dead_letter_after_three_crashes(site: Site, poison: object) -> None:
    poison(site.file())  # type: ignore[operator]
    consumer = site.consumer().ready()

    letter = only_dead_letter(site)

    assert commands.lines(site.file()) == ["ran"] * 3
    assert (letter.attempts, letter.crashes, letter.redeliveries) == (0, 3, 0)
    assert "3 processes that died" in letter.reason
    assert consumer.stop() == 0


def test_bystanders_of_poison_are_not_charged_and_all_run(site: Site) -> None:
    commands.leave(site.file())
    for number in range(100):
        commands.append(site.file("others"), number)
    site.consumer(threads=2)

    letter = only_dead_letter(site)

    assert commands.lines(site.file()) == ["ran"] * 3
    assert letter.crashes == 3
    counted = Counter(int(line.split()[0]) for line in commands.lines(site.file("others")))
    assert counted.keys() == set(range(100))
    assert counted.total() <= 100 + 3, "at most what ran in the other thread may run again"


def test_a_failed_command_can_be_replayed(site: Site) -> None:
    commands.stumble(site.file(), 5)
    site.consumer()
    letter = only_dead_letter(site)

    assert site.queue.replay([letter.id]) == 1

    wait_until(lambda: len(commands.lines(site.file())) == 5, why=site.logs)
    site.wait_until_empty()
    assert site.queue.stats().dead == 0


def test_a_delayed_command_does_not_run_early(site: Site) -> None:
    sent = time.time()
    commands.append.using(run_after=timedelta(seconds=1))(site.file(), 1)
    site.consumer()

    site.wait_until_empty()

    _, _, ran = commands.lines(site.file())[0].split()
    assert float(ran) >= sent + 1


def test_bytes_that_are_not_ours_are_dead_at_once_and_never_unpickled(site: Site) -> None:
    site.queue.write(b"cos\nsystem\n(S'touch harm'\ntR.")
    commands.append(site.file(), 1)
    site.consumer()

    letter = only_dead_letter(site)

    assert letter.attempts == 0
    assert "InvalidMessage" in letter.reason
    assert len(commands.lines(site.file())) == 1
