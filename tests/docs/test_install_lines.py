"""No text tells a user to install the other project that owns the name ``djutils`` on the package index."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .test_house import files, name
from .tutorials import ROOT, blocks

TOOL = r"(?:pip[\d.]*|pipx|uvx?|poetry|pdm|pipenv|hatch|rye|conda|mamba)(?: (?:pip|tool))?"
VERB = r"(?:install|add|run|download|sync|inject)"
OTHER_WORDS = r"""(?: [\w.=<>~!@:/,*+\[\]"'-]+)*?"""
OURS_IS_LONGER = r"(?![\w/-])"
WRONG = re.compile(
    rf"""\b{TOOL} {VERB}{OTHER_WORDS} ["']*djutils{OURS_IS_LONGER}"""  # a command
    rf"""|["']djutils *(?:\[[\w, -]*\])? *(?:[=<>~!]=|[<>@] *\w)"""  # a list of dependencies
    rf"""|^ *djutils *(?:\[[\w, -]*\])? *(?:[=<>~!]= *\d|@ )""",  # a line of requirements.txt
    re.MULTILINE,
)
READ = frozenset({".rst", ".py", ".html", ".txt", ".toml", ".ini", ".in"})


def wrong_lines(text: str) -> Iterator[str]:
    """Yield lines that would install the wrong package, also where a line continues on the next one."""
    joined = re.sub(r"\\?\n(?! *\n)[ >]*(?=[^ $>\n])", " ", text)
    for one in (text, re.sub(r"(?<=\S) +", " ", joined)):
        yield from (found[0] for found in WRONG.finditer(one))


@pytest.mark.parametrize(
    "line",
    [
        "$ pip install djutils",
        "pip install -U djutils",
        "pip install 'djutils[postgres]'",
        'python -m pip install "djutils>=1"',
        "pip3 install Django djutils redis",
        "uv add djutils",
        "uv pip install djutils==1.0",
        "poetry add djutils",
        "RUN pip install --no-cache-dir \\\n    djutils",
        "Write ``pip install\ndjutils`` and go on.",
        'raise Error("Run pip install "\n    "djutils[mysql].")',
        'dependencies = ["djutils>=1.0", "redis"]',
        "djutils==1.0.0",
        "djutils[postgres] ~= 1.0",
    ],
)
def test_a_line_that_installs_the_other_project_is_found(line: str) -> None:
    assert list(wrong_lines(line))


@pytest.mark.parametrize(
    "line",
    [
        "$ pip install djutils-queue",
        "pip install -U 'djutils-queue[postgres]>=1'",
        "uv add djutils-queue",
        "$ pip install .                 # in a checkout of djutils",
        "$ pip install ./djutils",
        "$ pip install .\n$ python manage.py migrate djutils",
        "Write ``pip install .`` in a checkout of djutils.",
        "$ pip install .\n\nNow djutils is there.",
        'INSTALLED_APPS += ["djutils", "shop"]',
        "$ pip uninstall djutils djutils-queue",
        "from djutils.queue import queue",
    ],
)
def test_a_line_that_does_not_is_left_alone(line: str) -> None:
    assert not list(wrong_lines(line))


def test_no_page_and_no_message_installs_the_other_project() -> None:
    places = [
        *files("djutils", "docs", "example", "bench", suffixes=READ),
        *ROOT.glob("*.rst"),
        *ROOT.glob("*.toml"),
    ]
    wrong = [
        f"{name(path)}: {line.strip()}"
        for path in places
        for line in wrong_lines(path.read_text(encoding="utf-8"))
    ]

    assert not wrong, "the distribution is called djutils-queue; from a checkout: pip install ."


@pytest.mark.parametrize("page", ["README.rst", "docs/index.rst", "docs/tutorial/1-first-command.rst"])
def test_a_page_that_shows_how_to_install_shows_what_works_today(page: str) -> None:
    shown = [
        line for block in blocks(ROOT / page) for line in block.text.splitlines() if "pip install" in line
    ]

    assert shown
    assert "djutils-queue" in (ROOT / page).read_text(encoding="utf-8")
    assert [
        line for line in shown if not re.match(r"\$ (pip install \./?(djutils)?( |$)|.*tox-uv)", line)
    ] == []
