"""The line of a command that has succeeded is the same with and without a log record; a project's handler gets one."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from djutils.queue.bin.logs import LastResort, LogFile, Terminal
from djutils.queue.executor import Executor, log_success, logger
from djutils.queue.message import ACKED, Message
from djutils.queue.workers.last_words import LastWords
from djutils.queue.workers.project_logs import OURS
from djutils.queue.workers.success_lines import SIZE, SuccessLines, listening, pass_on

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


@pytest.fixture
def quick() -> SuccessLines:
    quick = SuccessLines()
    quick.begin()
    return quick


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that follow another one wait as long as the test takes."""
    monkeypatch.setattr("djutils.queue.workers.success_lines._TOGETHER", 3600.0)


def lines(file: LogFile) -> list[str]:
    """What is in the file now."""
    return Path(file.baseFilename).read_text(encoding="utf-8").splitlines()


def say(quick: SuccessLines, one: Message, seconds: float = 0.25) -> None:
    """Log it quickly and write it; pytest has added its own handlers again when the test began."""
    only_ours()
    quick.log(one, seconds)
    quick.write()


def only_ours() -> None:
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ != "_pytest.logging"]


def message(**fields: Any) -> Message:
    return make_message(record, "x", **fields)


def test_a_success_in_the_middle_of_another_record_breaks_neither(file: LogFile, quick: SuccessLines) -> None:
    only_ours()
    other = threading.Thread(target=quick.log, args=(message(), 0.25))

    def meet(one: logging.LogRecord) -> None:
        if not other.ident:
            other.start()
            other.join(0.2)  # it waits for this record, or has ended
        LogFile.emit(file, one)

    file.emit = meet  # type: ignore[method-assign]

    logger.warning("a command failed")
    other.join(10)
    quick.write()

    first, second = lines(file)
    assert first.endswith("a command failed")
    assert second.endswith("succeeded in 0.250 s")


def test_both_ways_write_the_same_line(quick: SuccessLines, file: LogFile, made: list[str]) -> None:
    one = message()

    log_success(one, 0.25)
    say(quick, one)

    slow, quick = (re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", "TIME ", line) for line in lines(file))
    assert slow == quick
    assert quick.startswith("TIME INFO [")
    assert quick.endswith(f"djutils.queue.executor: {one.id} {one.command} succeeded in 0.250 s")
    assert len(made) == 1


def test_the_last_words_of_the_process_have_it(quick: SuccessLines, file: LogFile, made: list[str]) -> None:
    say(quick, message())

    (*_, last_words) = root.handlers
    assert isinstance(last_words, LastWords)
    assert "succeeded in 0.250 s" in last_words.read()
    assert made == []


def test_so_has_the_terminal(
    quick: SuccessLines, file: LogFile, capsys: pytest.CaptureFixture[str], made: list[str]
) -> None:
    ours.handlers.append(Terminal())
    say(quick, message())
    assert capsys.readouterr().err.splitlines() == lines(file)
    assert made == []


@pytest.mark.parametrize("where", [logger, logging.getLogger("djutils.queue"), ours, root])
def test_a_handler_of_the_project_gets_a_record(
    quick: SuccessLines, file: LogFile, where: logging.Logger
) -> None:
    seen = Seen()
    where.handlers.append(seen)
    try:
        say(quick, message())
    finally:
        where.handlers.remove(seen)
    assert [one.getMessage().partition(" succeeded")[2] for one in seen.records] == [" in 0.250 s"]
    assert len(lines(file)) == 1


def test_one_that_wants_only_warnings_is_no_reason_to_make_one(
    quick: SuccessLines, file: LogFile, made: list[str]
) -> None:
    root.handlers.append(Seen(logging.WARNING))
    say(quick, message())
    assert made == []
    assert len(lines(file)) == 1


@pytest.mark.parametrize("where", [logger, ours])
def test_what_does_not_propagate_goes_no_further(
    quick: SuccessLines, file: LogFile, monkeypatch: pytest.MonkeyPatch, where: logging.Logger
) -> None:
    monkeypatch.setattr(where, "propagate", False)
    say(quick, message())
    (*_, last_words) = root.handlers
    assert isinstance(last_words, LastWords)
    assert last_words.read() == ""
    assert len(lines(file)) == (where is ours)


@pytest.mark.parametrize("filtered", ["logger", "handler"])
def test_a_filter_decides(
    quick: SuccessLines, file: LogFile, monkeypatch: pytest.MonkeyPatch, filtered: str
) -> None:
    monkeypatch.setattr(logger if filtered == "logger" else file, "filters", [lambda one: False])
    say(quick, message())
    assert lines(file) == []


def test_a_record_class_of_the_project_is_used(quick: SuccessLines, file: LogFile) -> None:
    asked: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        asked.append(args)
        return logging.LogRecord(*args, **kwargs)

    logging.setLogRecordFactory(make)
    try:
        say(quick, message())
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert len(asked) == len(lines(file)) == 1


def test_a_name_that_is_not_printable_is_escaped(quick: SuccessLines, file: LogFile) -> None:
    say(quick, message()._replace(command="app.commands.evil\n2026-11-26 ERROR"))
    first, second = lines(file)
    assert first.endswith("app.commands.evil")
    assert second.startswith("    2026-11-26 ERROR succeeded")


def test_a_file_that_was_moved_is_opened_again(quick: SuccessLines, file: LogFile) -> None:
    say(quick, message())
    path = Path(file.baseFilename)
    path.rename(path.with_name("old"))
    file._looked = float("-inf")
    say(quick, message(), 0.5)
    assert "0.500 s" in path.read_text()


def test_a_disk_that_is_full_stops_nothing(
    quick: SuccessLines, file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "djutils.queue.bin.logs.os.write", lambda *args: (_ for _ in ()).throw(OSError(28, "full"))
    )
    say(quick, message())


def test_a_worker_logs_like_this_and_not_below_its_level(
    quick: SuccessLines, file: LogFile, ran: list[Any]
) -> None:
    only_ours()
    executor = Executor("unit", log_success=quick.log)
    assert executor.execute(make_delivery(record, "x")) == ACKED
    ours.level = logging.WARNING
    logger._cache.clear()  # type: ignore[attr-defined]
    assert executor.execute(make_delivery(record, "y")) == ACKED
    quick.write()
    assert len(lines(file)) == 1


# Several lines at a time


@pytest.mark.usefixtures("patient")
def test_a_line_waits_for_others_and_is_written_before_any_record(quick: SuccessLines, file: LogFile) -> None:
    say(quick, message())
    messages = [message() for _ in range(20)]
    for one in messages:
        quick.log(one, 0.25)
    assert len(lines(file)) == 1

    logger.warning("a record")

    assert [line.split()[-5] for line in lines(file)[1:-1]] == [one.command for one in messages]
    assert lines(file)[-1].endswith("a record")
    assert quick.left() == b""


def test_after_a_pause_it_is_written_at_once(quick: SuccessLines, file: LogFile) -> None:
    only_ours()
    quick.log(message(), 0.25)
    assert len(lines(file)) == 1


def test_more_lines_than_there_is_memory_for_are_all_written(quick: SuccessLines, file: LogFile) -> None:
    say(quick, message())
    count = SIZE // 50
    for _ in range(count):
        quick.log(message(), 0.25)
    quick.write()
    assert len(lines(file)) == 1 + count


@pytest.mark.usefixtures("patient")
def test_what_a_killed_process_could_not_write_is_there_for_another(
    quick: SuccessLines, file: LogFile
) -> None:
    only_ours()
    lines_of_child = SuccessLines()
    child = os.fork()
    if not child:
        lines_of_child.begin()
        for number in range(5):
            lines_of_child.log(message(), number)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(lines(file)) == 1

    pass_on(lines_of_child.left(), listening() or ())

    assert [line.split()[-2] for line in lines(file)] == [f"{number}.000" for number in range(5)]


@pytest.mark.usefixtures("patient")
def test_a_process_that_a_command_forks_writes_nothing_of_its_parent(
    quick: SuccessLines, file: LogFile
) -> None:
    say(quick, message())
    quick.log(message(), 0.5)
    child = os.fork()
    if not child:
        logger.warning("of the child")
        quick.log(message(), 1.0)
        quick.write()
        os._exit(0)
    os.waitpid(child, 0)
    quick.write()

    first, *of_child, last = lines(file)
    assert (first.split()[-2], last.split()[-2]) == ("0.250", "0.500")
    assert [line.partition("executor: ")[2].rpartition(" in ")[2] for line in of_child] == [
        "of the child",
        "1.000 s",
    ]


def test_threads_that_log_lines_and_records_do_not_wait_for_each_other(
    quick: SuccessLines, file: LogFile
) -> None:
    only_ours()

    def work() -> None:
        for _ in range(200):
            quick.log(message(), 0.25)
            logger.info("a record")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    quick.write()
    assert len(lines(file)) == 1600
