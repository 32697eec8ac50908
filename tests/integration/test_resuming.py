"""A long command goes on where its process died, as often as it dies, and does not die at the same place forever."""

from __future__ import annotations

from collections import Counter

import pytest

from djutils.queue.decorators import CommandFunction
from tests.project.app import pieces
from tests.project.app.files import lines
from tests.project.app.models import Note
from tests.sites import Site
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
ROWS = 300
IN_EACH_BATCH = [25, 75, 125, 175, 225, 275]


def rows(site: Site) -> str:
    """Make the rows, in six batches, and return how their texts begin."""
    prefix = f"{site.environment['DJUTILS_TEST_QUEUE_NAME']} "
    notes = [Note(text=f"{prefix}{number}") for number in range(ROWS)]
    Note.objects.using(site.alias).bulk_create(notes)
    return prefix


@EACH
@pytest.mark.parametrize(
    ("command", "fatal"),
    [
        (pieces.see_rows, IN_EACH_BATCH),
        # Before the first batch is completed nothing tells that it went on.
        (pieces.see_rows_until_it_hangs, IN_EACH_BATCH[1:]),
    ],
)
def test_a_process_that_is_lost_in_each_batch_costs_nothing(
    site: Site, command: CommandFunction[..., None], fatal: list[int]
) -> None:
    result = command(rows(site), site.file(), fatal)
    consumer = site.consumer().ready()

    wait_until(lambda: result.refresh() or result.is_finished, why=consumer.log)

    assert (result.status, result.attempts) == ("SUCCESSFUL", 1)
    assert lines(site.file("lines.died")) == list(map(str, fatal))
    seen = Counter(map(int, lines(site.file())))
    assert set(seen) == set(range(ROWS))
    # What was seen of a batch before its process died is seen again, and nothing else.
    again = {number for row in fatal for number in range(row - 25, row)}
    assert {number for number, times in seen.items() if times > 1} == again
    assert max(seen.values()) == 2
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@EACH
def test_a_row_that_always_kills_makes_a_dead_letter(site: Site) -> None:
    pieces.see_rows(rows(site), site.file(), [125], always=True)
    consumer = site.consumer()

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert letter.reason.startswith("It was running in 3 processes that died.")
    assert (letter.crashes, lines(site.file("lines.died"))) == (3, ["125"] * 3)


@EACH
def test_a_row_at_which_it_always_hangs_makes_a_dead_letter(site: Site) -> None:
    pieces.see_rows_until_it_hangs(rows(site), site.file(), [125], always=True)
    consumer = site.consumer()

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert "TimeLimitExceeded" in letter.reason
    # The first process to hang had completed two batches; the second none, and there is but one attempt.
    assert lines(site.file("lines.died")) == ["125"] * 2


@EACH
def test_a_coroutine_that_always_kills_makes_a_dead_letter(site: Site) -> None:
    pieces.be_killed_later(site.file())
    consumer = site.consumer("--coroutines", "2")

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert (letter.crashes, len(lines(site.file()))) == (3, 3)
