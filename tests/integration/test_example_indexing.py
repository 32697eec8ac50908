"""The guestbook in ``example/`` indexes ten thousand entries, and its daemon is restarted in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.waiting import wait_until

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
CONSUMER = EXAMPLE.parent / "djutils" / "queue" / "bin" / "consumer.py"
ENTRIES = 10_000

pytestmark = pytest.mark.slow

_CALL = """
from guestbook.commands import index_entries
from guestbook.models import Entry
Entry.objects.bulk_create(Entry(name=f"Zoë {number}") for number in range(%d))
print(index_entries().id)
"""
_LOOK = """
import json
from djutils.queue import invoker
result = invoker.result("%s")
print(json.dumps([str(result.status), result.attempts, result.progress and result.progress.done]))
"""


class Guestbook:
    """An installed guestbook on SQLite, with a daemon as in production."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.log = out / "consumer.log"

    def run(self, *words: object) -> str:
        """Run a program to its end, and return what it printed."""
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "GUESTBOOK_OUT": str(self.out),
            "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLE, EXAMPLE.parent))),
        }
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def shell(self, code: str) -> str:
        """Run ``code`` in the guestbook, and return its last line."""
        return self.run(EXAMPLE / "manage.py", "shell", "-c", code).splitlines()[-1]

    def consumer(self, action: str) -> None:
        """Start or stop the daemon."""
        self.run(CONSUMER, action, "-l", self.log, "-p", self.out / "consumer.pid")

    def end_consumer(self) -> None:
        """Have the daemon end, as ``stop`` does, but at once: it indexes faster than a program starts."""
        pidfile = self.out / "consumer.pid"
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        wait_until(lambda: not pidfile.exists(), why=self.log.read_text)

    def database(self, statement: str) -> int:
        """Execute ``statement`` and return the number that it yields, if it does."""
        with closing(sqlite3.connect(self.out / "guestbook.sqlite3", timeout=20)) as connection, connection:
            found = connection.execute(statement).fetchone()
        return int(found[0]) if found else 0

    def indexed(self) -> int:
        """Return how many entries have a search text."""
        return self.database("SELECT count(*) FROM guestbook_entry WHERE search <> ''")


@pytest.fixture
def guestbook(tmp_path: Path) -> Iterator[Guestbook]:
    guestbook = Guestbook(tmp_path)
    guestbook.run(EXAMPLE / "manage.py", "migrate", "-v", "0")
    yield guestbook
    guestbook.consumer("stop")


def test_the_indexing_of_ten_thousand_entries_survives_a_deploy(guestbook: Guestbook) -> None:
    id = guestbook.shell(_CALL % ENTRIES)
    guestbook.consumer("start")
    wait_until(lambda: guestbook.indexed() > 0, every=0.01, why=guestbook.log.read_text)
    guestbook.end_consumer()

    before = guestbook.indexed()
    assert 0 < before < ENTRIES
    assert before % 200 == 0, "it has completed its batch"
    assert "guestbook.commands.index_entries postponed" in guestbook.log.read_text()
    guestbook.database(f"UPDATE guestbook_entry SET search = 'as before the restart' WHERE id <= {before}")

    guestbook.consumer("start")
    wait_until(lambda: guestbook.indexed() == ENTRIES, why=guestbook.log.read_text)
    look = _LOOK % id
    wait_until(lambda: "SUCCESSFUL" in guestbook.shell(look), every=0.5, why=guestbook.log.read_text)

    assert json.loads(guestbook.shell(look)) == ["SUCCESSFUL", 1, ENTRIES]
    again = guestbook.database("SELECT count(*) FROM guestbook_entry WHERE search = 'as before the restart'")
    assert again == before, "it went on, and did not begin again"
