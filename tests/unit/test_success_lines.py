"""The line of a command that has succeeded is the same with and without a log record; a project's handler gets one."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from djutils.queue.bin.logs import LastResort, LogFile, Terminal
from djutils.queue.executor import Executor, log_success, logger
from djutils.queue.message import ACKED, Message
from djutils.queue.workers.last_words import LastWords
from djutils.queue.workers.project_logs import OURS
from djutils.queue.workers.success_lines import log_quickly

from .commands_for_tests import record
from .helpers import make_delivery, make_message

ours, root = logging.getLogger(OURS), logging.getLogger()


class Seen(logging.Handler):
    """A handler of the project."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogFile]:
    """The log file of a consumer, with the handlers that a consumer adds."""
    file = LogFile(tmp_path / "log")
    monkeypatch.setattr(ours, "handlers", [file])
    monkeypatch.setattr(ours, "level", logging.INFO)
    monkeypatch.setattr(root, "handlers", [LastResort(file), LastWords()])
    logger._cache.clear()  # type: ignore[attr-defined]  # of the levels
    yield file
    file.close()
    logger._cache.clear()  # type: ignore[attr-defined]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of the records that were made."""
    made: list[str] = []
    original = logging.Logger.makeRecord

    def make(self: logging.Logger, *args: Any, **kwargs: Any) -> logging.LogRecord:
        made.append(args[3])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(logging.Logger, "makeRecord", make)
    return made


def lines(file: LogFile) -> list[str]:
    return Path(file.baseFilename).read_text(encoding="utf-8").splitlines()


def say(one: Message, seconds: float) -> None:
    """Log it quickly; pytest has added its own handlers again when the test began."""
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ != "_pytest.logging"]
    log_quickly(one, seconds)


def message(**fields: Any) -> Message:
    return make_message(record, "x", **fields)


def test_both_ways_write_the_same_line(file: LogFile, made: list[str]) -> None:
    one = message()

    log_success(one, 0.25)
    say(one, 0.25)

    slow, quick = (re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", "TIME ", line) for line in lines(file))
    assert slow == quick
    assert quick.startswith("TIME INFO [")
    assert quick.endswith(f"djutils.queue.executor: {one.id} {one.command} succeeded in 0.250 s")
    assert len(made) == 1


def test_the_last_words_of_the_process_have_it(file: LogFile, made: list[str]) -> None:
    say(message(), 0.25)

    (*_, last_words) = root.handlers
    assert isinstance(last_words, LastWords)
    assert "succeeded in 0.250 s" in last_words.read()
    assert made == []


def test_so_has_the_terminal(file: LogFile, capsys: pytest.CaptureFixture[str], made: list[str]) -> None:
    ours.handlers.append(Terminal())
    say(message(), 0.25)
    assert capsys.readouterr().err.splitlines() == lines(file)
    assert made == []


@pytest.mark.parametrize("where", [logger, logging.getLogger("djutils.queue"), ours, root])
def test_a_handler_of_the_project_gets_a_record(file: LogFile, where: logging.Logger) -> None:
    seen = Seen()
    where.handlers.append(seen)
    try:
        say(message(), 0.25)
    finally:
        where.handlers.remove(seen)
    assert [one.getMessage().partition(" succeeded")[2] for one in seen.records] == [" in 0.250 s"]
    assert len(lines(file)) == 1


def test_one_that_wants_only_warnings_is_no_reason_to_make_one(file: LogFile, made: list[str]) -> None:
    root.handlers.append(Seen(logging.WARNING))
    say(message(), 0.25)
    assert made == []
    assert len(lines(file)) == 1


@pytest.mark.parametrize("where", [logger, ours])
def test_what_does_not_propagate_goes_no_further(
    file: LogFile, monkeypatch: pytest.MonkeyPatch, where: logging.Logger
) -> None:
    monkeypatch.setattr(where, "propagate", False)
    say(message(), 0.25)
    (*_, last_words) = root.handlers
    assert isinstance(last_words, LastWords)
    assert last_words.read() == ""
    assert len(lines(file)) == (where is ours)


@pytest.mark.parametrize("filtered", ["logger", "handler"])
def test_a_filter_decides(file: LogFile, monkeypatch: pytest.MonkeyPatch, filtered: str) -> None:
    monkeypatch.setattr(logger if filtered == "logger" else file, "filters", [lambda one: False])
    say(message(), 0.25)
    assert lines(file) == []


def test_a_record_class_of_the_project_is_used(file: LogFile) -> None:
    asked: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        asked.append(args)
        return logging.LogRecord(*args, **kwargs)

    logging.setLogRecordFactory(make)
    try:
        say(message(), 0.25)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert len(asked) == len(lines(file)) == 1


def test_a_name_that_is_not_printable_is_escaped(file: LogFile) -> None:
    say(message()._replace(command="app.commands.evil\n2026-11-26 ERROR"), 0.25)
    first, second = lines(file)
    assert first.endswith("app.commands.evil")
    assert second.startswith("    2026-11-26 ERROR succeeded")


def test_a_file_that_was_moved_is_opened_again(file: LogFile) -> None:
    say(message(), 0.25)
    path = Path(file.baseFilename)
    path.rename(path.with_name("old"))
    file._looked = float("-inf")
    say(message(), 0.5)
    assert "0.500 s" in path.read_text()


def test_a_disk_that_is_full_stops_nothing(file: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "djutils.queue.bin.logs.os.write", lambda *args: (_ for _ in ()).throw(OSError(28, "full"))
    )
    say(message(), 0.25)


def test_a_worker_logs_like_this_and_not_below_its_level(file: LogFile, ran: list[Any]) -> None:
    executor = Executor("unit", log_success=log_quickly)
    assert executor.execute(make_delivery(record, "x")) == ACKED
    ours.level = logging.WARNING
    logger._cache.clear()  # type: ignore[attr-defined]
    assert executor.execute(make_delivery(record, "y")) == ACKED
    assert len(lines(file)) == 1
