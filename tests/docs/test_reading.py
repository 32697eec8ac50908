"""The README and the pages can be read and followed where Sphinx is not: on GitHub, on a package index, in an editor."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module, util
from pathlib import Path

import pytest

from tests.conftest import missing

from .rendering import as_on_github, leads_somewhere, links
from .tutorials import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.rst"
INCLUDING = {"changelog.rst", "contributing.rst", "security.rst"}
"""They consist of a file that can be read by itself, and the pages link to that one."""
PAGES = [README, *sorted(page for page in DOCS.rglob("*.rst") if page.name not in INCLUDING)]
# Nothing of the text is lost by it: the navigation, and a table that is a link away.
LEFT_OUT = re.compile(
    r'Unknown directive type "toctree"|"csv-table" directive: "file" and "url" options|ignoring "csv-table"'
)
# Made from the code when they are built; the index of the reference says so.
FROM_CODE = {
    path for path in PAGES if path.parent.name == "reference" or path.stem == "how-a-command-travels"
}
ROLE_OR_CODE = re.compile(
    r'(directive type|text role) "(auto\w+|(current)?module|py:\w+|program|option|consumer-options|command-options)"'
    r'|Error in "literalinclude|Unknown directive type "literalinclude"|No (role|directive) entry for'
)


def names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_a_page_loses_nothing_on_github(page: Path) -> None:
    _, complaints = as_on_github(page)

    lost = [
        line
        for line in complaints.splitlines()
        if re.search(r"\((WARNING|ERROR|SEVERE)/\d\)", line)
        and not LEFT_OUT.search(line)
        and not (page in FROM_CODE and ROLE_OR_CODE.search(line))
    ]

    assert not lost


@pytest.mark.parametrize("page", [*PAGES, *sorted({*ROOT.glob("[A-Z]*.rst")} - {README})], ids=names)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    found = list(links(page))

    assert len(found) >= 15 or page != README
    assert not [link for link in found if not leads_somewhere(page, link)]


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.rst"
    page.write_text(
        "Title\n=====\n\n`A <page.rst#title>`_ `b <page.rst#other>`_ `c <none.rst>`_ `d <https://x.org>`_\n"
    )

    assert [link for link in links(page) if not leads_somewhere(page, link)] == ["page.rst#other", "none.rst"]


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "reference", "explanation"])
def test_a_reader_of_the_repository_finds_every_page_in_its_index(folder: str) -> None:
    index = DOCS / folder / "index.rst"
    pages = {page.name for page in index.parent.glob("*.rst")} - {"index.rst"}
    shown = re.findall(r"^    ([\w-]+)$", index.read_text(encoding="utf-8"), re.MULTILINE)

    assert pages <= set(links(index))
    assert {f"{name}.rst" for name in shown} == pages


class Headings(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value for name, value in attrs if name in {"href", "src"} and value]


def rendered(text: str) -> Headings:
    if not util.find_spec("readme_renderer"):
        missing("'readme_renderer' is not installed: pip install '.[test]'")
    complaints = io.StringIO()
    html = import_module("readme_renderer.rst").render(text, complaints)
    assert html, complaints.getvalue()
    assert not complaints.getvalue()
    page = Headings()
    page.feed(html)
    assert page.tags.count("h2") >= 7
    assert {"table", "pre"} <= set(page.tags)
    return page


def test_the_readme_renders_with_links_that_lead_somewhere() -> None:
    targets = [
        target.replace("#user-content-", "#")
        for target in rendered(README.read_text(encoding="utf-8")).targets
    ]
    relative = [target for target in targets if not re.match(r"https?:", target)]

    assert len(relative) >= 15
    assert not [target for target in relative if not leads_somewhere(README, target)]


def test_what_the_package_index_shows_has_no_link_into_the_repository() -> None:
    asked = [sys.executable, "setup.py", "--long-description"]
    text = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    page = rendered(text)

    assert "every fault that was" in text
    assert not [target for target in page.targets if not re.match(r"https?:|#", target)]
    assert not [line for line in text.splitlines() if re.search(r"<\S+\.rst", line)]


def test_the_first_screen_says_what_it_is_in_the_words_of_the_reader() -> None:
    first = README.read_text(encoding="utf-8").partition("Install and run\n")[0]

    assert len(first.splitlines()) <= 50
    for said in (
        "Background tasks for Django",
        "without a broker",
        "worker",
        "Celery",
        "RQ",
        "Huey",
        "django-q2",
        "job",
    ):
        assert said in first
    assert {"bench/RESULTS.rst", "docs/_static/speed.svg"} <= set(links(README))


def test_the_readme_tells_the_numbers_of_the_fault_suite() -> None:
    *_, total = csv.reader((DOCS / "explanation" / "tried.csv").read_text(encoding="utf-8").splitlines())
    _, _, faults, commands, lost, doubled, _ = total
    readme = " ".join(README.read_text(encoding="utf-8").split())
    page = " ".join((DOCS / "explanation" / "delivery-guarantees.rst").read_text(encoding="utf-8").split())

    assert f"**{int(commands):,} commands, {faults} faults, {lost} lost**" in readme
    assert (
        f"Of {int(commands):,} commands in {total[0].split()[0]} runs with {faults} faults, none was lost"
        in page
    )
    assert (lost, doubled) == ("0", "0")


def test_the_readme_promises_no_more_speed_than_was_measured() -> None:
    text = (ROOT / "bench" / "RESULTS.rst").read_text(encoding="utf-8")
    readme = " ".join(README.read_text(encoding="utf-8").split())
    claim = re.search(
        r"more than (\d+) times\*\* .* on Redis, (\d+) times on PostgreSQL, (\d+) times on SQLite", readme
    )
    assert claim
    fastest = {"Redis": "every peer", "PostgreSQL": "PgQueuer", "SQLite": "Huey"}

    for (store, peer), factor in zip(fastest.items(), claim.groups(), strict=True):
        goal = re.search(rf"^drain, {store} +at least \S+ x {peer} +([\d.]+)", text, re.MULTILINE)
        assert goal, store
        assert float(goal[1]) > float(factor), store
