"""Where the consumer's log goes, beside what a project has configured."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from logging.config import dictConfig
from pathlib import Path

import pytest

from djutils.queue.bin import logs
from djutils.queue.exceptions import ConsumerError
from tests.waiting import wait_until

logger = logging.getLogger("djutils.queue.tests")
CONSOLE = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("djutils")
    before = [(one, one.level, one.handlers[:]) for one in (root, ours)]
    disabled = {
        name: one.disabled for name, one in root.manager.loggerDict.items() if isinstance(one, logging.Logger)
    }
    yield
    for one, level, handlers in before:
        for handler in set(one.handlers) - set(handlers):
            handler.close()
        one.setLevel(level)
        one.handlers[:] = handlers
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
