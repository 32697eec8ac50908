"""What the pages say in commands, tables and names is what the code has; and what is searched for is found."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.dispatch import Signal

from djutils.queue import exceptions, signals
from djutils.queue.bin.options import parse
from djutils.queue.chain import CALLED, DECLARED
from djutils.queue.conf import NAMES
from djutils.queue.decorators import CommandFunction
from djutils.queue.results import Result

from .rendering import leads_somewhere
from .tutorials import ROOT, blocks

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.rst", *sorted(DOCS.rglob("*.rst"))]
SIGNALS = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
COMMAND_LINE = re.compile(r"\$ (?:djutils-consumer|python (?:\S*/)?manage\.py (queue_\w+)) (.*)")
ENDS = re.compile(r" [|&>;#]| 2>|\[ID")


def command_lines(page: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the lines that call one of our programs: the line, the management command if it is one, the arguments."""
    for block in blocks(page):
        for line in block.text.replace("\\\n", " ").splitlines():
            if found := COMMAND_LINE.match(line):
                yield line, found[1], shlex.split(ENDS.split(f"{found[2]} ")[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_line_is_understood(page: Path) -> None:
    for line, management_command, arguments in command_lines(page):
        try:
            if not management_command:
                parse(arguments)
            elif management_command != "queue_consumer":
                load_command_class("djutils", management_command).create_parser("manage.py", "").parse_args(
                    arguments
                )
        except SystemExit:
            pytest.fail(line)


def test_many_command_lines_are_looked_at() -> None:
    assert sum(1 for page in PAGES for _ in command_lines(page)) >= 40


def spellings() -> list[str]:
    """Return what the page for those who come from elsewhere says to write: the second column of its tables."""
    text = (DOCS / "how-to" / "come-from-another-queue.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^.{53}  (.+)$", text.partition("What differs in meaning")[0], re.MULTILINE)
    return [row for row in rows if row != "djutils" and not row.startswith("=")]


def test_what_is_written_instead_exists() -> None:
    cells = spellings()
    ours = "\n".join(cells)

    assert len(cells) > 40
    assert {
        name for name in re.findall(r"\bfn\.(\w+)\(", ours) if not hasattr(CommandFunction, name)
    } == set()
    assert set(re.findall(r"\b(\w+)=[\w(]", ours)) - {"hour", "minute", "seconds"} <= {
        *DECLARED,
        *CALLED,
        "delay",
        "kill",
    }
    assert {
        name for name in re.findall(r"\bresult(?:\(id\))?\.(\w+)", ours) if not hasattr(Result, name)
    } == set()
    assert set(re.findall(r"\b((?:command|worker)_[a-z]+)``", ours)) <= SIGNALS
    assert set(re.findall(r"\b(QUEUE_[A-Z_]+)", ours)) <= NAMES
    assert all(hasattr(exceptions, name) for name in re.findall(r"raise (\w+)\(", ours))
    for line in re.findall(r"(?:djutils-consumer|manage\.py queue_consumer) ?([^`]*)``", ours):
        parse(shlex.split(line if line.startswith(("run", "status")) else f"run {line}"))
    for options in re.findall(r"``(--?\w[^`]*)``", ours):
        parse(["run", *(words if len(words := options.split()) > 1 else [*words, "1"])])


def test_settings_and_signals_that_pages_name_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"\bQUEUE_[A-Z_]+\b", text)) - {"QUEUE_KEY", "QUEUE_"}
        told = set(re.findall(r"``(command_(?:enq|lost|st|suc|ret|d)\w+)``", text))

        assert named <= NAMES, page
        assert told <= SIGNALS, page


@cache
def texts_of(logger: str) -> str:
    """Return every text in the modules that use a logger, or in all of them: what they log and print is among it."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "djutils").rglob("*.py")]
    trees = map(
        ast.parse, (text for text in sources if logger == "djutils" or f'getLogger("{logger}")' in text)
    )
    return "\n".join(
        str(node.value) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)
    )


def test_what_pages_search_a_log_for_is_logged() -> None:
    searched = [
        pattern
        for page in PAGES
        for block in blocks(page)
        for words in re.findall(r'grep (?:-E )?"([^"]+)"', block.text)
        for pattern in words.split("|")
    ]

    assert len(searched) >= 10
    assert not [pattern for pattern in searched if pattern.rstrip("\\(") not in texts_of("djutils")]


def test_the_log_lines_to_alert_on_are_logged_there() -> None:
    page = (DOCS / "how-to" / "monitor-and-alert.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^(?:ERROR|WARNING) ``([\w.]+)`` +``([^`]+)``", page, re.MULTILINE)

    assert len(rows) >= 6
    assert not [(logger, words) for logger, words in rows if words not in texts_of(logger)]


@pytest.mark.parametrize(
    "word",
    [
        "task", "job", "worker", "broker", "Celery", "RQ", "Huey", "django-q2", "unique", "async", "Sentry",
        "Monitor", "Prometheus", "result", "rate limit", "cron", "dashboard", "cancel", "workflow", "upgrade",
    ],
)  # fmt: skip
def test_who_searches_for_a_word_finds_what_it_is_here(word: str) -> None:
    page = DOCS / "reference" / "glossary.rst"
    others = page.read_text(encoding="utf-8").partition("What others call it")[2]
    entries = re.findall(r"^(?! |-)(.+)\n((?:    .+\n)+)", others, re.MULTILINE)

    found = [text for terms, text in entries if re.search(rf"\b{word}\b", terms)]

    assert found
    for text in found:
        targets = re.findall(r"<([^>]+)>`_", text)
        assert targets or re.search(r"Not yet|\*", text), text
        assert all(leads_somewhere(page, target) for target in targets)
