"""The rules of the house that no linter knows. CONTRIBUTING.rst gives the reasons."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ["djutils", "tests", "bench", "example"]
LONGEST_FILE = 350
LONGEST_FUNCTION = 40
DEEPEST = 3
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# One word for one thing: a piece of work is a command. These two are Django's and other people's.
FOREIGN_WORD = re.compile(r"(?:^|[^a-z])(?:task|job)s?(?:$|[^a-z])", re.IGNORECASE)
FOREIGN_THING = re.compile(
    r"django(?:[._-]|'s (?:own )?)tasks|[`\"]tasks?[`\"]|\btasks\.py|djangos-tasks|\btasks-dj6|create_task|asyncio|Celery|\brq\b|huey|dramatiq|django-q2|\bjob_name:|background tasks for Django",
    re.IGNORECASE,
)
MAY_SAY_TASK = (
    "djutils/contrib/django_tasks/",
    "tests/django_suite/",
    "tests/integration/test_django_tasks.py",
    "tests/project/app/tasks.py",
    "tests/project/app/errands.py",
    "docs/tutorial/5-djangos-tasks.rst",
    "docs/how-to/come-from-django-tasks-db.rst",
    "tests/docs/test_house.py",
    "bench/",
    # Of others, in their own words.
    "docs/how-to/come-from-another-queue.rst",
)

# Put together from halves, so that this file does not name them either.
NOT_OURS = re.compile(
    "|".join(
        [
            "/ro" + "ot/",
            "/wo" + "rk/",
            "py" + r"pi\.org",
            "python" + "hosted",
            "npm" + r"js\.",
            "deb" + r"\.debian",
        ]
    )
)
READ_BY_PEOPLE = {
    ".py",
    ".rst",
    ".toml",
    ".ini",
    ".in",
    ".cfg",
    ".txt",
    ".lua",
    ".html",
    ".yml",
    ".yaml",
    ".sh",
    "",
}
NOT_KEPT = {"build", "dist", "out", "_build", "__pycache__", "htmlcov"}


def hidden(path: Path) -> bool:
    return path.name.startswith(".") and path.name not in {".ci", ".importlinter"}


def kept(folder: str) -> bool:
    return not hidden(Path(folder)) and folder not in NOT_KEPT and not folder.endswith(".egg-info")


def files(*folders: str, suffixes: frozenset[str] = frozenset({".py"})) -> Iterator[Path]:
    for start in folders:
        for folder, inner, names in os.walk(ROOT / start):
            # What is not kept is not entered either: an environment has ten thousand files.
            inner[:] = sorted(filter(kept, inner))
            paths = [Path(folder, name) for name in sorted(names)]
            yield from (path for path in paths if path.suffix in suffixes and not hidden(path))


def name(path: Path, line: int | None = None) -> str:
    place = path.relative_to(ROOT).as_posix()
    return place if line is None else f"{place}:{line}"


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS)]


def depth(node: ast.AST) -> int:
    """Return how deep blocks are nested; ``elif`` is no deeper than its ``if``."""
    deepest = 0
    for field, child in children(node):
        chained = (
            isinstance(node, ast.If)
            and field == "orelse"
            and isinstance(child, ast.If)
            and node.orelse == [child]
        )
        deepest = max(deepest, depth(child) + (isinstance(child, BLOCKS) and not chained))
    return deepest


def children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                yield field, child


def given_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names that we define; names that we only use are their owners' choice."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(id=text, ctx=ast.Store()) | ast.Attribute(attr=text, ctx=ast.Store()):
                yield text, node.lineno


def says_otherwise(path: Path) -> bool:
    return name(path).startswith(MAY_SAY_TASK)


def test_a_file_fits_in_a_head() -> None:
    long = {
        name(path): count
        for path in files(*CODE)
        if (count := len(path.read_text().splitlines())) > LONGEST_FILE
    }

    assert not long, f"longer than {LONGEST_FILE} lines, look for the two things it does"


def test_a_function_fits_on_a_screen() -> None:
    long = {
        name(path, function.lineno): f"{function.name} has {count} lines"
        for path in files(*CODE)
        for function in functions(path)
        if (count := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }

    assert not long, f"longer than {LONGEST_FUNCTION} lines"


def test_no_function_nests_deeper_than_three() -> None:
    deep = {
        name(path, function.lineno): function.name
        for path in files(*CODE)
        for function in functions(path)
        if depth(function) > DEEPEST
    }

    assert not deep


def test_imports_stand_at_the_top() -> None:
    hidden = [
        name(path, node.lineno)
        for path in files(*CODE)
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        # Django's own idiom: an app's other modules may be imported once it is ready.
        and not (path.name == "apps.py" and function.name == "ready")
    ]

    assert not hidden, "an import inside a function hides a dependency; move what both need to a lower floor"


def test_no_import_is_for_the_type_checker_only() -> None:
    secret = [
        name(path)
        for path in files(*CODE)
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.alias) and node.name == "TYPE_CHECKING")
    ]

    assert not secret, "an import that is not run hides a cycle"


def test_the_names_we_give_are_words_of_the_glossary() -> None:
    foreign = [
        f"{name(path, line)} {given}"
        for path in files(*CODE)
        if not says_otherwise(path)
        for given, line in given_names(parsed(path))
        if FOREIGN_WORD.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", given))
    ]

    assert not foreign, "say command, message or delivery"


@pytest.mark.parametrize("folder", ["djutils", "docs", "example", "."])
def test_the_words_we_write_are_words_of_the_glossary(folder: str) -> None:
    texts = (
        files(folder, suffixes=frozenset({".py", ".rst", ".html"})) if folder != "." else ROOT.glob("*.rst")
    )
    foreign = [
        f"{name(path, number)} {line.strip()}"
        for path in texts
        if not says_otherwise(path)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FOREIGN_WORD.search(line) and not FOREIGN_THING.search(line)
    ]

    assert not foreign, "say command, message or delivery; 'task' only of django.tasks"


def test_nothing_names_one_machine_or_one_registry() -> None:
    named = [
        f"{name(path, number)} {line.strip()}"
        for path in files(".", suffixes=frozenset(READ_BY_PEOPLE))
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if NOT_OURS.search(line)
    ]

    assert not named


GIVEN_BY_DJANGO = {"Command", "Migration"}
"""The names under which Django looks for a class."""


def test_no_two_classes_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in files("djutils"):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and node.name not in GIVEN_BY_DJANGO:
                places[node.name].append(name(path, node.lineno))

    assert not {given: where for given, where in places.items() if len(where) > 1}


OUTCOMES = {"ACKED", "RELEASED", "SETTLED"}


def test_outcomes_are_compared_by_their_action() -> None:
    by_identity = [
        name(path, node.lineno)
        for path in files("djutils")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Compare)
        and any(getattr(side, "id", "") in OUTCOMES for side in (node.left, *node.comparators))
    ]

    assert not by_identity, "an outcome that is equal to one of these need not be the same object"


def test_a_match_over_actions_knows_all_of_them() -> None:
    loose = [
        name(path, node.lineno)
        for path in files("djutils")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Match)
        and "Action." in ast.unparse(node)
        and not ast.unparse(node.cases[-1]).startswith("case _:\n    assert_never(")
    ]

    assert not loose, "end it in assert_never, so that a new action is not dropped in silence"


MAY_ASK_WHAT_A_QUEUE_IS = {
    "djutils/queue/bin/preflight.py": "opens and closes a queue, and asks what is held",
    "djutils/queue/bin/remarks.py": "opens and closes a queue",
    "djutils/queue/direct.py": "dequeue() runs in the caller's process and on its connection, without a channel",
    "djutils/queue/workers/chore.py": "the maintainer cares for queues with leases only",
    "djutils/queue/workers/process.py": "a run has a lease, or none",
    "djutils/testing/contract_leases.py": "a test of just that",
    "djutils/testing/contract_queue.py": "closes what it opened",
    "djutils/testing/draining.py": "a run has a lease, or none",
}


def test_a_queue_says_what_it_can_and_is_not_asked_what_it_is() -> None:
    asking = {
        name(path)
        for path in files("djutils")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in {"isinstance", "issubclass"}
        and re.search(r"LeasedQueue|Channel", ast.unparse(node.args[1]))
    }

    assert asking == MAY_ASK_WHAT_A_QUEUE_IS.keys(), (
        "ask supports_leases, or give BaseQueue the method with a default"
    )
