"""The guestbook in ``example/``, run as a newcomer runs it, but without installing anything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "example"

pytestmark = pytest.mark.slow


def start(out: Path, *words: str) -> subprocess.Popen[str]:
    """Start the example, in a process group that gets its signals as from a terminal."""
    command = [sys.executable, EXAMPLE / "run.py", "--here", "--out", out, *words]
    return subprocess.Popen(
        list(map(str, command)),
        env={name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(out: Path) -> list[str]:
    """Return the command lines of the processes that were started for ``out``."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("Only Linux tells which process belongs to whom.")
    mark = f"GUESTBOOK_OUT={out}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # gone in the meantime, or not ours
    return found


def test_the_guestbook_churns_what_its_visitors_leave_and_stops(tmp_path: Path) -> None:
    show = start(tmp_path, "--entries", "6")
    printed, _ = show.communicate(timeout=120)

    assert show.returncode == 0, printed
    figures = dict(re.findall(r"^(\w[\w ]+?) +(\d+)  ", printed, re.MULTILINE))
    assert {name: figures[name] for name in ("entries", "commands", "thumbnails", "mails")} == {
        "entries": "6",
        "commands": "18",
        "thumbnails": "12",
        "mails": "6",
    }
    assert figures["retries"] == "1", "one visitor meets a mail server that is down"
    assert figures["dead letters"] == "0"
    assert len(list(tmp_path.glob("media/thumbnails/*.jpg"))) == 12
    assert any("The path along the shore" in mail.read_text() for mail in tmp_path.glob("mails/*/*.log"))
    page = (tmp_path / "index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 6
    assert all((tmp_path / picture).is_file() for picture in pictures)
    assert not (tmp_path / "consumer.pid").exists()
    assert processes_of(tmp_path) == []


def test_an_interrupted_guestbook_leaves_no_process_behind(tmp_path: Path) -> None:
    show = start(tmp_path, "--entries", "1", "--serve")
    assert show.stdout is not None
    lines = []
    for line in show.stdout:
        lines.append(line)
        if opened := re.search(r"open at (\S+)", line):
            break
    else:
        pytest.fail("".join(lines))
    page = build_opener(ProxyHandler({})).open(opened[1], timeout=10).read().decode()
    assert "1 entry" in page
    assert processes_of(tmp_path) != []

    os.killpg(show.pid, signal.SIGINT)
    printed, _ = show.communicate(timeout=60)

    assert show.returncode == 130, printed
    assert processes_of(tmp_path) == []


def test_the_guestbook_keeps_its_own_promises(tmp_path: Path) -> None:
    """Its own tests: uploads are checked, text is escaped, thumbnails are upright."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "test"],
        cwd=EXAMPLE,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "GUESTBOOK_OUT": str(tmp_path),
            "PYTHONPATH": str(EXAMPLE.parent),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
