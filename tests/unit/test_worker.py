"""The report of a worker process that has died."""

from __future__ import annotations

import logging
import os
import signal
import time

from djutils.queue.workers.board import Board, Slot
from djutils.queue.workers.last_words import SIZE, LastWords
from djutils.queue.workers.worker import WorkerRecord, cause_of

A, B = "a" * 32, "b" * 32


def make_worker(threads: int = 2) -> WorkerRecord:
    return WorkerRecord(("first", "second"), {"first": 1, "second": 2}, Board(threads))


def begin(worker: WorkerRecord, id: str, channel: int = 0) -> Slot:
    slot = worker.board.free.popleft()
    slot.start(channel, id, 0.0)
    return slot


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("a.logger", logging.INFO, "", 0, text, (), None)


def test_what_was_done_is_told_and_what_ran_is_charged() -> None:
    worker = make_worker()
    begin(worker, A).finish(succeeded=True)
    begin(worker, B, channel=1)
    died = worker.death_report(-9, 81, blameless=False)
    assert (died.owners, died.done, died.running) == (worker.owners, {"first": [A]}, {"second": [B]})
    assert died.reason == "Its process was killed by SIGKILL; at its peak it had 81 MiB."


def test_what_it_logged_last_is_told() -> None:
    worker = make_worker()
    pid = os.fork()
    if not pid:
        worker.last_words.emit(record("the bridge is out"))
        os._exit(0)
    os.waitpid(pid, 0)
    reason, _, rest = worker.death_report(9, 1, blameless=False).reason.partition("\n\n")
    assert reason == "Its process exited with code 9; at its peak it had 1 MiB."
    assert rest.startswith("The last lines it logged:\n")
    assert rest.endswith(f"INFO [{pid}] a.logger: the bridge is out")


def test_without_a_cause_nothing_is_charged() -> None:
    worker = make_worker()
    begin(worker, A)
    died = worker.death_report(-9, 1, blameless=True)
    assert (died.running, died.reason) == ({}, "")


def test_when_it_was_killed_for_what_was_overdue_the_bystanders_are_not_charged() -> None:
    worker = make_worker()
    begin(worker, A).must_end(time.monotonic() - 1)
    begin(worker, B).must_end(time.monotonic() + 60)
    died = worker.death_report(-9, 1, blameless=False)
    assert (died.overdue, died.running) == ({"first": [A]}, {})


def test_a_death_is_told_in_words() -> None:
    assert cause_of(9) == "exited with code 9"
    assert cause_of(-11) == "was killed by SIGSEGV"
    assert cause_of(-signal.SIGRTMIN - 3) == f"was killed by signal {signal.SIGRTMIN + 3}"


def test_to_exit_well_while_a_command_runs_is_a_death_too() -> None:
    worker = make_worker()
    assert worker.death_report(0, 1, blameless=False).reason == ""
    worker = make_worker()
    begin(worker, A)
    died = worker.death_report(0, 1, blameless=False)
    assert (died.running, died.reason.split(";")[0]) == ({"first": [A]}, "Its process exited with code 0")


def test_what_we_end_charges_no_message() -> None:
    """Recycled, or a bystander of a command that was past its time limit and has ended meanwhile."""
    recycled, bystander = make_worker(), make_worker()
    for worker in (recycled, bystander):
        begin(worker, A)
    recycled.board.leave()
    bystander.kill_at = time.monotonic()
    assert recycled.death_report(0, 1, blameless=False).running == {}
    assert recycled.death_report(1, 1, blameless=False).running == {}
    died = bystander.death_report(-signal.SIGKILL, 1, blameless=False)
    assert (died.running, died.overdue, died.reason) == ({}, {"first": []}, "")


def test_what_dies_of_its_command_while_we_wait_for_it_to_end_is_charged() -> None:
    worker = make_worker()
    begin(worker, A)
    worker.kill_at = time.monotonic() + 5
    assert worker.death_report(-signal.SIGSEGV, 1, blameless=False).running == {"first": [A]}


def test_of_many_lines_the_last_ones_are_kept_whole() -> None:
    words = LastWords()
    for number in range(SIZE):
        words.emit(record(f"line {number}"))
    lines = words.read(count=5).splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [f"line {SIZE - n}" for n in range(5, 0, -1)]
    assert 20 < len(words.read(count=1000).splitlines()) < 120


def test_long_lines_and_bad_text_do_not_hurt() -> None:
    words = LastWords()
    for text in ("x" * 10_000, "half a character: \ud800", "ünï" * 3):
        words.emit(record(text))
    assert words.read(count=1).endswith("ünï" * 3)
    assert r"\ud800" in words.read()
