"""The words we write with: those of the field's technical writing, and none that a reader must translate.

Every file of the repository is read: code, comments, docstrings, messages, tests and pages. CONTRIBUTING.rst
says how we write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from .test_house import READ_BY_PEOPLE, files, given_names, name, parsed

ACTOR = "name the actor: another consumer, a producer, the caller, the operator, no worker, every user"
RETURN = "Return ..., Return whether ..."

END = r"\W*$|[.,:;)]| (?:and|are|at|for|from|has|in|is|of|on|over|that|there|to|until|when|which|with)\b"
"""What follows when no noun does: 'of its own code' is right."""

WORDS = {
    r'"""Answers?\b': RETURN,
    r"\banswers? (?:whether|which|how many|up to|what|all\b|an?\b handle|a copy|it\b|them\b|their\b)": RETURN,
    r"\b(?:somebody|whoever|whomever|nobody|everybody|anybody)\b": ACTOR,
    r"\bsomeone\b(?!'s)": ACTOR,
    r"\banew\b": "again; to begin anew is to restart",
    r"\bmend(?:s|ed|ing)?\b": "fix, repair",
    r"\bl(?:ies?|ay) among\b": "becomes a dead letter, is among",
    r"\bfor ever\b": "forever",
    r"\bin mid-": "while, in the middle of",
    r"\bhow-manieth\b": "which ... (first = 1)",
    r"\blooks? whether\b": "checks whether",
    r"\btells? whether\b": "shows whether, says whether",
    r"\bof yours\b": "your",
    rf"\bof (?:its|their|our|your|his|her|my|one's) own\b(?={END})": "its own ..., a separate ...",
    r"\bat last\b": "finally",
    r"\btoo[.;:]?(?:\"\"\")?$": "also, before the verb",
    r"\blater and later\b": "with increasing delays",
    r"\blook(?:s|ed)? into your mail\b": "check your email",
    r"\bone wish, one line\b": "recipes, one goal per page",
    r"\blost in a crash, it loses no more\b": "a crash no longer loses messages",
}
"""What must not be written, as a regular expression that ignores case, and the better words."""

WORDS_OF_PAGES = {
    r"\btried again\b": "retried",
    r"\bamong the dead letters\b": "becomes a dead letter that records why",
    r", too[.,:]": "also, before the verb",
}
"""The same for the pages, which people read from top to bottom."""

SENTENCES = {
    "a store of your own in four methods": "or write a backend in four methods",
    "cannot lend, so a worker that is killed loses": "has no leases, so a killed worker loses",
    "It is not a stream to read twice": "It is not an event log",
    "with everything on that keeps djutils' promises": "with every durability guarantee switched on",
    "To take part": "Contributing",
    "That is all of it": "That runs everything",
    "Let nothing else run beside it": "Run nothing else meanwhile",
    "gets slower when much lies in it": "slows down with a large backlog",
    "or it does not come in": "or it is not merged",
    "A problem of security is not reported in public": "Report security issues privately",
    "that says the truth when it starts": "whose start reports success only once workers are up",
    "a command that means harm": "a malicious command",
    "Four doors": "Documentation",
    "Mend and replay": "Fix and replay",
    "Be told": "Get notified",
    "An argument less": "Removing an argument",
    "Sent, when the call returns": "Durability once the call returns",
    "answers it unsent": "returns the call without sending it",
    "before you enqueue it anew": "before you enqueue it again",
    "says both numbers": "sets both limits",
    "nobody else is hurt": "nothing else is affected",
    "it is the decorator's wrapper that says what fits": "the wrapper's signature is checked",
    "as much of its beginning as makes it the only one": "any unambiguous prefix",
    "is not guessed at": "is rejected",
    "To be lent some.": "To be lent messages.",
    "the other half is on its way": "While one batch runs, the next is fetched",
    "Somebody dies": "What dies",
    "has nobody left to tell": "cannot report its own death",
    "may stand still in the middle of": "may freeze inside",
    "Why it is as it is.": "Background and rationale.",
    "every message would pay for what is asked": "every insert would pay for a query",
    "must not cost somebody his data": "must not overwrite someone's file",
    "An owner on %s was silent for": "A worker of queue %s missed its heartbeat for",
    "could not be tried; it goes back for a while": "could not be run; released for 30 s",
    "This command line makes no sense": "Invalid command line",
}
"""Sentences that stood here once, and what they say now."""

NAMES = {
    "obituary": "death_report",
    "reign": "exclusive",
    "fatal": "reason_to_refuse",
    "errors_of": "translated_errors",
    "tried_again": "retry_on_deadlock",
    "marks": "placeholders",
    "refuse_hidden": "refuse_unimportable",
    "ask_ahead": "prefetch",
}
"""Names of the package that the field has better ones for."""

FOREIGN = re.compile(r"(?:USER |--user |user named |[\"'`=-])nobody\b|\bNOBODY\b|everybody@")
"""The name of a user is its owner's choice."""

HERE = Path(__file__)


@cache
def lines(path: Path) -> list[str]:
    return [FOREIGN.sub("", line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]


@cache
def in_one_line(path: Path) -> str:
    """Return the text without line breaks, and without what marks a comment or joins two strings."""
    inner = (re.sub(r"^\s*(?:#|--|\*)?\s?|[\"']$", "", line).strip("\"' \t") for line in lines(path))
    return re.sub(r"\s+", " ", " ".join(inner))


@cache
def texts() -> list[Path]:
    return [path for path in files(".", suffixes=frozenset(READ_BY_PEOPLE)) if path != HERE]


def written(wrong: str, paths: Iterable[Path]) -> list[str]:
    pattern = re.compile(wrong, re.IGNORECASE)
    return [
        f"{name(path, number)} {line.strip()}"
        for path in paths
        for number, line in enumerate(lines(path), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(("wrong", "better"), WORDS.items(), ids=list(WORDS))
def test_a_word_that_readers_stumble_over_is_written_nowhere(wrong: str, better: str) -> None:
    assert not written(wrong, texts()), f"better: {better}"


@pytest.mark.parametrize(("wrong", "better"), WORDS_OF_PAGES.items(), ids=list(WORDS_OF_PAGES))
def test_a_page_is_written_in_plain_words(wrong: str, better: str) -> None:
    assert not written(wrong, (path for path in texts() if path.suffix == ".rst")), f"better: {better}"


@pytest.mark.parametrize(("wrong", "better"), SENTENCES.items(), ids=list(SENTENCES))
def test_a_sentence_that_was_rewritten_does_not_come_back(wrong: str, better: str) -> None:
    back = [name(path) for path in texts() if wrong in in_one_line(path)]

    assert not back, f"better: {better}"


def test_a_name_that_was_replaced_does_not_come_back() -> None:
    back = {
        f"{name(path, line)} {given}": f"better: {NAMES[given.strip('_')]}"
        for path in files("djutils")
        for given, line in given_names(parsed(path))
        if given.strip("_") in NAMES
    }

    assert not back


def test_what_is_right_is_left_alone() -> None:
    right = [
        "must not overwrite someone's file",
        "USER nobody",
        "Return what the backend answers to a claim.",
        "It is too long.",
        "among the dead letters",
        "Nothing was sent. Use DatabaseQueue, or leave atomic out.",
    ]
    found = [
        (wrong, text)
        for wrong in WORDS
        for text in right
        if re.search(wrong, FOREIGN.sub("", text), re.IGNORECASE)
    ]

    assert not found
