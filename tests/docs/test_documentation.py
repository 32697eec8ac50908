"""The documentation is complete, builds without a warning, and what it shows runs."""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import ArgumentParser
from configparser import ConfigParser
from importlib import import_module, util
from pathlib import Path
from textwrap import dedent, indent

import pytest
from django.core.management import load_command_class
from django.dispatch import Signal

from djutils.queue import exceptions, retry, signals
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.bin.options import ACTIONS, parse
from djutils.queue.chain import CALLED, DECLARED
from djutils.queue.conf import NAMES, QueueSettings
from djutils.queue.schedule import SCHEDULED
from djutils.queue.workers.options import ConsumerOptions
from tests.conftest import missing

from .tutorials import ROOT

DOCS = ROOT / "docs"
README = (ROOT / "README.rst").read_text(encoding="utf-8")
SIGNALS = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
EXCEPTIONS = [
    name
    for name, value in vars(exceptions).items()
    if isinstance(value, type) and value.__module__ == exceptions.__name__
]
MANAGEMENT_COMMANDS = sorted(
    path.stem for path in (ROOT / "djutils" / "management" / "commands").glob("[!_]*.py")
)
EXAMPLES = [
    path
    for path in sorted((DOCS / "examples").rglob("*.py"))
    if path.stat().st_size and path.name not in {"conftest.py", "test_monitoring.py"}
]
RUN_EXAMPLES = ("pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=. docs/examples")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def run(*arguments: str) -> None:
    """Run a module of Python at the root of the checkout; what it complains of is the failure."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def build(builder: str, out: Path) -> Path:
    for needed in ("sphinx", "furo"):
        if not util.find_spec(needed):
            missing(ModuleNotFoundError(f"'{needed}' is not installed: pip install '.[docs]'"))
    folder = out / builder
    run("sphinx", "-q", "-W", "--keep-going", "-b", builder, "-d", str(out / "doctrees"), "docs", str(folder))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parsed pages, shared by all builders."""
    return tmp_path_factory.mktemp("documentation")


@pytest.fixture(scope="session")
def built(folder: Path) -> Path:
    return build("text", folder)


@pytest.fixture(scope="session")
def reference(built: Path) -> dict[str, str]:
    return {page.stem: page.read_text(encoding="utf-8") for page in (built / "reference").glob("*.txt")}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_setting_is_in_the_reference(reference: dict[str, str], name: str) -> None:
    assert re.search(rf"\b{name}\b.*= {re.escape(repr(getattr(QueueSettings, name)))}", reference["settings"])


@pytest.mark.parametrize("option", sorted({*DECLARED, *CALLED, *SCHEDULED}))
def test_every_option_of_the_decorators_is_in_the_reference(reference: dict[str, str], option: str) -> None:
    assert re.search(rf'"{option}"', reference["decorators"])


def test_every_option_of_the_consumer_is_in_the_reference(
    reference: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its help begins with what the process was called as: for a worker of pytest-xdist, "-c".
    monkeypatch.setattr("sys.argv", ["consumer.py"])
    with pytest.raises(SystemExit):
        parse(["--help"])
    known = capsys.readouterr().out
    page = reference["consumer-options"]

    options = set(OPTION.findall(known.partition("exit codes:")[0])) - {"-h", "--help"}
    codes = re.findall(r"^  (\d+)  ", known, re.MULTILINE)

    assert {"-l", "--logfile", "-w", "--grace"} <= options, "the help of the consumer looks different now"
    assert options <= set(OPTION.findall(page))
    assert codes
    assert set(codes) <= set(re.findall(r"^\| (\d+) ", page, re.MULTILINE))
    assert set(ACTIONS) <= set(re.findall(r'"(\w+)"', page))


@pytest.mark.parametrize("name", MANAGEMENT_COMMANDS)
def test_every_management_command_is_in_the_reference(reference: dict[str, str], name: str) -> None:
    command = load_command_class("djutils", name)
    pages = "\n".join(page for page in reference.values() if f"manage.py {name}" in page)
    parser = ArgumentParser(add_help=False)
    command.add_arguments(parser)  # type: ignore[arg-type]  # Django's own is the same with more of it
    options = {option for action in parser._actions for option in action.option_strings}

    assert pages
    assert options <= set(OPTION.findall(pages))


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_is_in_the_reference(reference: dict[str, str], name: str) -> None:
    assert re.search(rf"\b{name}\b", reference["signals"])


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_every_exception_is_in_the_reference(reference: dict[str, str], name: str) -> None:
    assert re.search(rf"^exception {name}\b", reference["exceptions"], re.MULTILINE)
    assert re.search(rf"─ {name}\b|^ *{name} ", reference["exceptions"], re.MULTILINE), "not in the tree"


def test_every_word_of_the_code_is_in_the_glossary(reference: dict[str, str]) -> None:
    words = (
        "ack|adopt|attempt|backend|beat|command|consumer|dead letter|delivery|invoker|lease|maintainer|"
        "message|owner|periodic command|queue|reap|receive|registry|reject|release|result|retry|send|"
        "supervisor|worker"
    )

    assert set(words.split("|")) == set(re.findall(rf"^({words})$", reference["glossary"], re.MULTILINE))


def test_the_page_about_backends_says_of_every_method_who_calls_it() -> None:
    page = (DOCS / "reference" / "backends.rst").read_text(encoding="utf-8")
    table = page.partition(":class: who-calls-what")[2].partition("\n\nStores\n")[0]

    rows = re.findall(r"^    \* - (``.*)$", table, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"``(\w+)(?:\(\))?``", row)]

    methods = {
        name
        for name in dir(LeasedQueue)
        if not name.startswith("_")
        and (callable(value := getattr(LeasedQueue, name)) or isinstance(value, property))
    }
    assert sorted(told) == sorted({*methods, "len"})


def test_the_drawing_of_the_way_names_what_is_there() -> None:
    page = (DOCS / "explanation" / "how-a-command-travels.rst").read_text(encoding="utf-8")
    drawing = page.partition(".. parsed-literal::")[2].partition("\n1. ")[0]

    names = re.findall(r":py:\w+:`([\w.]+) <djutils\.queue\.([\w.]+)>`", drawing)

    assert len(names) >= 10
    for shown, name in names:
        assert shown == name
        assert resolve(f"djutils.queue.{name}"), name


def resolve(path: str) -> object:
    """Import the longest part of ``path`` that is a module, and look the rest up in it."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        if util.find_spec(".".join(parts[:2])) and importable(parts[:cut]):
            found: object = import_module(".".join(parts[:cut]))
            for name in parts[cut:]:
                found = getattr(found, name)
            return found
    raise ImportError(path)


def importable(parts: list[str]) -> bool:
    try:
        return util.find_spec(".".join(parts)) is not None
    except ModuleNotFoundError:
        return False


def test_the_guarantees_tell_the_numbers_of_the_code() -> None:
    page = " ".join((DOCS / "explanation" / "delivery-guarantees.rst").read_text(encoding="utf-8").split())
    policy = retry.RetryPolicy(QueueSettings.QUEUE_MAX_ATTEMPTS, QueueSettings.QUEUE_BACKOFF)
    hours = sum(policy.delay_after(n, chance=1.0) or 0.0 for n in range(1, policy.max_attempts)) / 3600
    unknown = sum(retry.UNKNOWN.delay_after(n, 0.5) or 0.0 for n in range(1, retry.UNKNOWN.max_attempts)) / 60
    lease = ConsumerOptions(()).lease

    assert round(hours) == 9
    assert "at most about 9 hours after the first one, on average after 7" in page
    assert round(hours * 0.75) == 7
    assert f"offered {retry.UNKNOWN.max_attempts} times, within about half an hour" in page
    assert 20 < unknown < 40
    assert f"{policy.max_attempts}, ``QUEUE_MAX_ATTEMPTS``" in page
    assert f"{QueueSettings.QUEUE_MAX_CRASHES}, ``QUEUE_MAX_CRASHES``" in page
    assert f"{retry.MAX_REDELIVERIES}, always" in page
    assert f"stood still for {lease:g} seconds" in page
    assert ConsumerOptions(()).beat_every == 5
    assert "advances every five seconds" in page


@pytest.mark.slow
def test_what_the_pages_show_of_python_runs(folder: Path) -> None:
    build("doctest", folder)


@pytest.mark.slow
def test_the_examples_of_the_pages_run() -> None:
    run(*RUN_EXAMPLES, "docs/examples", "--ignore=docs/examples/test_monitoring.py")


@pytest.mark.slow
def test_what_the_page_about_monitoring_shows_runs_with_sentry_and_prometheus() -> None:
    for needed in ("sentry_sdk", "prometheus_client"):
        if not util.find_spec(needed):
            missing(f"'{needed}' is not installed: pip install '.[docs]'")
    run(*RUN_EXAMPLES, "docs/examples/test_monitoring.py")


@pytest.mark.parametrize(
    "page", [ROOT / "README.rst", *sorted(DOCS.rglob("*.rst"))], ids=lambda page: page.name
)
def test_every_block_of_python_is_python(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    for block in re.findall(r"^\.\. code-block:: python\n((?:    .*\n|\n)+)", text, re.MULTILINE):
        code = dedent(re.sub(r"^    :\w+:.*\n", "", block, flags=re.MULTILINE))
        compile(code, str(page), "exec")


@pytest.mark.parametrize("example", ["shop/commands.py", "shop/views.py", "own_backend.py"])
def test_the_readme_shows_the_examples_that_are_tested(example: str) -> None:
    assert indent((DOCS / "examples" / example).read_text(encoding="utf-8"), "    ") in README


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_pages_show_the_examples_that_are_tested(example: Path) -> None:
    code = re.sub(r"\A# ruff: .*\n", "", example.read_text(encoding="utf-8"))
    pages = [page for page in DOCS.rglob("*.rst") if indent(code, "    ") in page.read_text(encoding="utf-8")]

    assert pages


def test_ci_runs_the_tests_as_the_readme_does() -> None:
    (command,) = re.findall(r"^ +\$ (python3 -m venv .*)$", README, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (finder,) = re.findall(r"sed -n '.*' README\.rst", ci)

    found = subprocess.run(["sh", "-c", finder], cwd=ROOT, capture_output=True, text=True, check=True)

    assert found.stdout == f"{command}\n"
    contributing = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    assert [line for line in command.split(" && ") if f"    {line}\n" not in contributing] == []


def test_the_command_of_the_readme_does_not_judge_speed() -> None:
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    run_by_default = set(tox["tox"]["env_list"].split(", "))

    assert {"unit", "contract", "integration-short", "docs"} <= run_by_default
    assert not {name for name in run_by_default if name.startswith(("guard", "chaos", "py3", "lowest"))}
    assert set(tox["testenv:summary"]["depends"].split(", ")) == run_by_default - {"summary"}


def test_ci_runs_the_short_tests_apart_from_the_rest_and_leaves_none_out() -> None:
    parts = ConfigParser(interpolation=None)
    parts.read(ROOT / "tox.ini")
    short, rest = (parts["integration"][name].split() for name in ("short", "rest"))
    newest = parts["testenv:newest"]["commands"].strip("}").split()

    left_out = {word.removeprefix("--ignore=") for word in rest if word.startswith("--ignore=")}

    assert left_out <= {*short, *newest}
    assert {word for word in short if word.startswith("tests/integration")} <= left_out


def test_the_readme_shows_an_example_that_is_there() -> None:
    (command,) = re.findall(r"\$ python3 (example/\S+)", README)

    assert (ROOT / command).exists()
