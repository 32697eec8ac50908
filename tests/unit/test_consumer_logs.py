"""Where the consumer's log goes, beside what a project has configured."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from logging.config import dictConfig
from pathlib import Path

import pytest

from djutils.queue.bin import logs
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import ConsumerError
from djutils.queue.executor import Executor
from tests.waiting import wait_until

from .commands_for_tests import fail
from .helpers import make_delivery

executor = Executor("unit")
logger = logging.getLogger("djutils.queue.tests")
CONSOLE = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}


@queue_command
def complain(what: str) -> None:
    """Log a warning, as any function does."""
    logging.getLogger("shop").warning(what)


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("djutils")
    names = ("djutils.queue.tests", "shop")
    loggers = [root, ours, *map(logging.getLogger, names)]
    before = [(one, one.level, one.handlers[:]) for one in loggers]
    filters = [(handler, handler.filters[:]) for handler in root.handlers]
    disabled = {
        name: one.disabled for name, one in root.manager.loggerDict.items() if isinstance(one, logging.Logger)
    }
    yield
    for one, level, handlers in before:
        for handler in set(one.handlers) - set(handlers):
            handler.close()
        one.setLevel(level)
        one.handlers[:] = handlers
    for handler, found in filters:
        handler.filters[:] = found
    for name, was in disabled.items():
        logging.getLogger(name).disabled = was


def test_a_line_has_time_level_process_and_name(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log", "INFO")
    logger.info("here %s", "we are")
    day, time, level, process, name, text = (tmp_path / "log").read_text().split(maxsplit=5)
    assert (len(day), len(time)) == (len("2026-11-24"), len("04:05:06,789"))
    assert (level, process, name) == ("INFO", f"[{os.getpid()}]", "djutils.queue.tests:")
    assert text == "here we are\n"


def test_the_level_is_the_one_asked_for(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log", "WARNING")
    logger.info("quiet")
    logger.warning("loud")
    assert "quiet" not in (tmp_path / "log").read_text()
    assert "loud" in (tmp_path / "log").read_text()


def test_of_a_very_long_record_the_beginning_and_the_end_are_logged(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log", "INFO")
    try:
        raise ValueError(f"begin{'x' * 10**6}end")
    except ValueError:
        logger.exception("It failed.")
    written = (tmp_path / "log").read_text()
    assert len(written) < 70_000
    assert "It failed." in written and "ValueError: beginxxx" in written and written.endswith("xxxend\n")
    assert " characters are left out" in written


def test_loggers_that_a_projects_logging_switched_off_are_switched_on(tmp_path: Path) -> None:
    dictConfig({"version": 1})
    assert logger.disabled
    logs.to_file(tmp_path / "log", "INFO")
    logger.info("heard")
    assert "heard" in (tmp_path / "log").read_text()


def test_a_projects_console_is_enough_for_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    dictConfig(CONSOLE)
    logs.to_stderr("INFO")
    logger.info("heard")
    assert capsys.readouterr().err.count("heard") == 1


def test_a_projects_console_that_says_less_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    dictConfig({**CONSOLE, "handlers": {"console": {"class": "logging.StreamHandler", "level": "ERROR"}}})
    logs.to_stderr("INFO")
    logger.info("heard")
    assert capsys.readouterr().err.count("heard") == 1


def test_a_projects_console_can_be_kept_from_repeating_ours(capsys: pytest.CaptureFixture[str]) -> None:
    dictConfig(CONSOLE)
    logs.silence_streams()
    logger.warning("ours")
    logging.getLogger("another").warning("another's")
    assert capsys.readouterr().err == "another's\n"


FILE = {"class": "logging.FileHandler", "delay": True}


def configure(folder: Path, **more: object) -> None:
    """A project whose root logger keeps errors in a file, as it would mail them."""
    handlers = {"mail": FILE | {"filename": folder / "mail"}}
    dictConfig({"version": 1, "handlers": handlers, "root": {"handlers": ["mail"], "level": "ERROR"}} | more)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("asked", [None, "DEBUG"])
def test_what_the_projects_root_would_not_take_does_not_come_to_its_handlers(
    tmp_path: Path, asked: str | None
) -> None:
    configure(tmp_path)
    logs.to_file(tmp_path / "log", asked)
    logger.info("all is well")
    logger.error("it burns")
    logging.getLogger(f"shop.{asked}").error("there too")
    assert read(tmp_path / "mail") == "it burns\nthere too\n"
    assert "all is well" in read(tmp_path / "log")


def test_a_child_with_a_handler_of_its_own_is_not_flooded_either(tmp_path: Path) -> None:
    handlers = {"mail": FILE | {"filename": tmp_path / "mail"}}
    loggers = {logger.name: {"handlers": ["mail"]}}
    dictConfig({"version": 1, "handlers": handlers, "loggers": loggers})
    logs.to_file(tmp_path / "log")
    logger.info("all is well")
    logger.warning("it smells")
    assert read(tmp_path / "mail") == "it smells\n"


@pytest.mark.parametrize(("asked", "told"), [(None, ["loud"]), ("INFO", ["quiet", "loud"]), ("ERROR", [])])
@pytest.mark.parametrize("where", ["file", "terminal"])
def test_the_level_of_our_logger_is_the_projects_unless_one_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str | None, told: list[str], where: str
) -> None:
    configure(tmp_path, loggers={"djutils": {"level": "WARNING"}})
    if where == "file":
        logs.to_file(tmp_path / "log", asked)
    else:
        logs.to_stderr(asked)
    logger.info("quiet")
    logger.warning("loud")
    written = (read(tmp_path / "log") + capsys.readouterr().err).splitlines()
    assert [line.rpartition(" ")[2] for line in written] == told


def test_without_a_word_of_the_project_our_log_begins_at_info(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log")
    logger.debug("quiet")
    logger.info("loud")
    assert (read(tmp_path / "log").count("quiet"), read(tmp_path / "log").count("loud")) == (0, 1)


def be_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a project without LOGGING: nothing on the root logger, not even of pytest."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


@pytest.mark.parametrize("where", ["file", "terminal"])
def test_what_no_handler_would_see_is_in_our_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    be_fresh(monkeypatch)
    if where == "file":
        logs.to_file(tmp_path / "log")
    else:
        logs.to_stderr()
    logging.getLogger("shop.commands").warning("the roof is %s", "on fire")
    logging.getLogger("shop.commands").info("all is well")
    (line,) = (read(tmp_path / "log") + capsys.readouterr().err).splitlines()
    assert line.endswith("shop.commands: the roof is on fire")


def test_what_a_handler_of_the_project_sees_is_not_ours_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_fresh(monkeypatch)
    configure(tmp_path)
    logs.to_file(tmp_path / "log")
    logging.getLogger("shop.commands").error("the roof is on fire")
    assert "roof" not in read(tmp_path / "log")


def test_what_a_command_logs_has_its_id_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_fresh(monkeypatch)
    logs.to_file(tmp_path / "log")
    delivery = make_delivery(complain, "no milk")
    Executor("unit").execute(delivery)
    complaint, success = read(tmp_path / "log").splitlines()
    assert complaint.endswith(
        f"WARNING [{os.getpid()}] {delivery.id} {complain.command_class.name} shop: no milk"
    )
    assert success.count(delivery.id) == 1


FORGED = "2026-11-24 04:05:06,789 INFO [1] djutils.queue.executor: forged"


def test_no_text_can_pass_for_a_line_of_ours(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log")
    for separator in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x1b[2K\r", "\n\t\b"):
        logger.warning("genuine%s%s", separator, FORGED)
    executor.execute(make_delivery(fail, ValueError(f"wrong\n{FORGED}")))
    with (tmp_path / "log").open(newline="") as log:
        text = log.read()
    assert text.count("forged") > 10
    assert not [line for line in text.splitlines() if line.startswith(FORGED)]
    assert set("\r\x0b\x0c\x1b\x1c\x85\u2028\b").isdisjoint(text)


def test_a_traceback_stays_readable(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log")
    executor.execute(make_delivery(fail))
    told = (tmp_path / "log").read_text().splitlines()
    assert told[1] == "    Traceback (most recent call last):"
    assert told[2].startswith('      File "')
    assert told[-1] == "    ValueError: it failed"


def test_a_projects_own_lines_can_have_the_command_too(tmp_path: Path) -> None:
    dictConfig(
        {
            "version": 1,
            "filters": {"command": {"()": "djutils.queue.current.WithCommand"}},
            "formatters": {"plain": {"format": "{command_id} {command} {message}", "style": "{"}},
            "handlers": {
                "file": FILE | {"filename": tmp_path / "app", "filters": ["command"], "formatter": "plain"}
            },
            "loggers": {"shop": {"handlers": ["file"]}},
        }
    )
    delivery = make_delivery(complain, "no milk")
    Executor("unit").execute(delivery)
    logging.getLogger("shop").warning("no command")
    assert read(tmp_path / "app").splitlines() == [
        f"{delivery.id} {complain.command_class.name} no milk",
        "- - no command",
    ]


def test_the_file_may_be_moved_away(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log", "INFO")
    logger.info("first")
    (tmp_path / "log").rename(tmp_path / "log.1")
    logger.warning("second")
    assert "second" in (tmp_path / "log").read_text()
    assert "second" not in (tmp_path / "log.1").read_text()


def test_a_moved_file_is_noticed_soon_although_nothing_is_wrong(tmp_path: Path) -> None:
    logs.to_file(tmp_path / "log", "INFO")
    logger.info("first")
    (tmp_path / "log").rename(tmp_path / "log.1")

    def is_noticed() -> bool:
        logger.info("more")
        return (tmp_path / "log").exists()

    wait_until(is_noticed)


def test_a_hangup_makes_the_new_file_at_once(tmp_path: Path) -> None:
    handler = logs.to_file(tmp_path / "log", "INFO")
    number = handler.output.fileno()
    (tmp_path / "log").rename(tmp_path / "log.1")
    handler.hangup()
    assert os.path.samestat(os.fstat(number), (tmp_path / "log").stat())
    logger.info("second")
    assert (tmp_path / "log").read_text().count("second") == 1


def test_a_log_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    handler = logs.to_file(tmp_path / "logs" / "log", "INFO")
    (tmp_path / "logs").rename(tmp_path / "moved")
    handler.hangup()
    logger.info("lost")
    assert "FileNotFoundError" in capsys.readouterr().err
    (tmp_path / "logs").mkdir()
    logger.info("found")
    assert "found" in (tmp_path / "logs" / "log").read_text()


def test_what_cannot_be_encoded_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nor must pytest hear of it: it could not tell it from one process to another.
    monkeypatch.setattr(logging.getLogger("djutils"), "propagate", False)
    logs.to_file(tmp_path / "log", "INFO")
    logger.info("half a character: \ud800")
    assert r"\ud800" in (tmp_path / "log").read_text()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConsumerError, match="does not exist; create it") as caught:
        logs.to_file(tmp_path / "logs" / "log", "INFO")
    assert caught.value.exit_code == 73
