"""The guestbook in ``example/``, run as a newcomer runs it, but without installing anything."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Timer
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

import pytest
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
LOGIN = re.compile(r"admin is at (?P<admin>\S+) \(user name (?P<name>\S+), password (?P<password>\S+)\)")

pytestmark = pytest.mark.slow


def start(out: Path, *words: str, here: bool = True, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the example, in a process group that gets its signals as from a terminal."""
    command = [sys.executable, EXAMPLE / "run.py", *(["--here"] if here else []), "--out", out, *words]
    return subprocess.Popen(
        list(map(str, command)),
        env={name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=cwd,
    )


class Open(NamedTuple):
    """An example whose site is open, and what it has printed so far."""

    process: subprocess.Popen[str]
    out: Path
    site: str
    printed: list[str]
    seen: list[str]
    """Pages, as they were."""

    def read_until(self, text: str) -> None:
        """Read what it prints up to the line with ``text``."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if text in line:
                return
        pytest.fail(f"no {text!r} in:\n{''.join(self.printed)}")

    def get(self, path: str = "", browser: OpenerDirector | None = None) -> str:
        """Return the page at ``path``."""
        browser = browser or a_browser()
        return str(browser.open(self.site + path, timeout=30).read().decode())


def a_browser() -> OpenerDirector:
    return build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))


@contextmanager
def opened(out: Path, *words: str) -> Iterator[Open]:
    """Start the example and wait until its site is open; interrupt it at the end, and see it leave nothing."""
    with start(out, *words) as process:
        limit = Timer(
            400, process.terminate
        )  # ends the reading of what it never prints; all tests share one example
        limit.start()
        try:
            show = Open(process, out, "", [], [])
            show.read_until("open at ")
            site = re.search(r"open at (http://127\.0\.0\.1:\d+/)", show.printed[-1])
            assert site, show.printed
            yield show._replace(site=site[1])
            os.killpg(process.pid, signal.SIGINT)
            printed, _ = process.communicate(timeout=60)
            assert process.returncode == 130, printed
            assert processes_of(out) == []
        finally:
            limit.cancel()
            process.terminate()  # a failed test leaves no daemon


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


def test_the_guestbook_does_what_its_visitors_cause_and_stops(tmp_path: Path) -> None:
    show = start(tmp_path, "--entries", "6")
    printed, _ = show.communicate(timeout=120)

    assert show.returncode == 0, printed
    figures = dict(re.findall(r"^(\w[\w ]+?) +(\d+)  ", printed, re.MULTILINE))
    assert {name: figures[name] for name in ("entries", "commands", "thumbnails", "mails")} == {
        "entries": "6",
        "commands": "17",
        "thumbnails": "12",
        "mails": "5",
    }
    assert figures["retries"] == "1", "one visitor meets a mail server that is down"
    assert figures["dead letters"] == "1", "the mail about another is refused"
    assert len(list(tmp_path.glob("media/thumbnails/*.jpg"))) == 12
    assert any("The path along the shore" in mail.read_text() for mail in tmp_path.glob("mails/*/*.log"))
    page = (tmp_path / "index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 6
    assert all((tmp_path / picture).is_file() for picture in pictures)
    assert "/static/" not in page, "it is looked at without a server"
    assert not (tmp_path / "consumer.pid").exists()
    assert processes_of(tmp_path) == []


def test_another_project_in_the_current_folder_is_left_alone(tmp_path: Path) -> None:
    for package in ("mysite", "guestbook"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('the wrong project')")

    show = start(tmp_path / "out", "--entries", "1", cwd=tmp_path)
    printed, _ = show.communicate(timeout=120)

    assert show.returncode == 0, printed


def test_an_interrupted_guestbook_leaves_no_process_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as show:
        assert "Guestbook" in show.get()
        assert processes_of(tmp_path) != []


SIGN = """
import sys
from pathlib import Path
from visitors import Visitor, sign
sign(sys.argv[1], Visitor("Zoe", "zoe@example.org", "I am the first!", Path(sys.argv[2])))
"""


def test_a_reader_can_sign_while_the_visitors_are_awaited(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), "teal").save(photo)
    with start(tmp_path / "out", "--entries", "2") as process:
        assert process.stdout is not None
        site = next(found[1] for line in process.stdout if (found := re.search(r"open at (\S+)", line)))
        subprocess.run([sys.executable, "-c", SIGN, site, photo], cwd=EXAMPLE, check=True, timeout=60)
        printed, _ = process.communicate(timeout=120)

    assert process.returncode == 0, printed
    assert re.search(r"^entries +3 ", printed, re.MULTILINE)
    assert "8/9 done, 0 waiting" in printed
    assert "I am the first!" in (tmp_path / "out" / "index.html").read_text()


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A guestbook that stays open, after all is done."""
    with opened(tmp_path_factory.mktemp("guestbook"), "--entries", "6", "--serve") as show:
        show.seen.append(show.get())
        show.read_until("Ctrl-C closes both")
        yield show


def test_the_address_and_the_login_come_before_the_work(show: Open) -> None:
    printed = "".join(show.printed)

    assert LOGIN.search(printed)
    assert not re.search("photos|daemon|commands", printed[: printed.index("password")])
    assert "data-going" in show.seen[0]
    assert re.search(r"Photos are being painted \(\d+ so far\); then 6 visitors sign", show.seen[0])


def test_the_terminal_shows_the_progress(show: Open) -> None:
    progress = [line for line in show.printed if re.match(r"commands .*/18 done", line)]

    assert len(progress) > 1
    assert "17/18 done" in progress[-1]


def test_the_page_shows_live_what_is_done_oldest_entry_first(show: Open) -> None:
    part = show.get("live/")
    assert "data-going" not in part
    assert "<b>17</b> of 18 commands done" in part
    assert "<b>1</b> dead letter" in part

    ids = [int(found) for found in re.findall(r'id="entry-(\d+)"', show.get())]
    assert len(ids) == 6
    assert ids == sorted(ids)
    part = show.get(f"live/?settled={','.join(map(str, ids[:5]))}")
    assert re.findall(r'id="entry-(\d+)"', part) == [str(ids[5])]


def test_the_login_opens_the_admin_with_the_refused_mail(show: Open) -> None:
    assert "mail refused" in show.get()
    login = LOGIN.search("".join(show.printed))
    assert login
    browser = a_browser()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', show.get("admin/login/", browser))
    assert token
    fields = {"username": login["name"], "password": login["password"], "csrfmiddlewaretoken": token[1]}
    browser.open(f"{login['admin']}login/?next=/admin/", urlencode(fields).encode(), timeout=30).close()

    index = show.get("admin/", browser)
    assert "Log out" in index
    addresses = re.findall(r'href="/(admin/(?:djutils|guestbook)/\w+/)"', index)
    pages = {address: show.get(address, browser) for address in addresses}
    assert any("on a blocklist" in page for page in pages.values() if "send_mail" in page)


def test_each_run_has_another_password_that_is_in_no_log(show: Open, tmp_path: Path) -> None:
    with opened(tmp_path, "--entries", "1") as other:
        other.read_until("password")
        both = [LOGIN.search("".join(each.printed)) for each in (show, other)]

    passwords = {login["password"] for login in both if login}
    assert len(passwords) == 2
    logs = [log.read_text() for out in (show.out, tmp_path) for log in out.glob("*.log")]
    assert logs
    assert not [password for password in passwords if any(password in log for log in logs)]


def test_the_site_is_for_this_machine_only(show: Open) -> None:
    port = int(show.site.rstrip("/").rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):  # a site on all addresses would take this one
        socket.create_connection(("127.0.0.2", port), 5)


def test_a_second_run_says_where_the_first_is_and_leaves_it_alone(show: Open) -> None:
    second = start(show.out, "--entries", "1")
    printed, _ = second.communicate(timeout=60)

    assert second.returncode == 1
    assert f"Another run is at work in {show.out} and open at {show.site}." in printed
    assert "6 entries" in show.get()


def a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "out"


@pytest.mark.parametrize("place", [a_file, below_a_file])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    out = place(tmp_path)
    show = start(out)
    printed, _ = show.communicate(timeout=60)

    assert show.returncode == 1
    assert f"Nothing can be written to {out}" in printed
    assert "--out" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_set_up_that_was_interrupted_begins_again(tmp_path: Path, cut_off: bool) -> None:
    """A note says that all is installed, or was not written to its end; the virtual environment is not there."""
    (tmp_path / "venv").mkdir()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho made again: $*\nexit 3\n")
    python.chmod(0o755)
    note = tmp_path / "venv" / "installed.json"
    text = json.dumps([str(python), f"-e{EXAMPLE.parent}", "Pillow"])
    note.write_text(text[:20] if cut_off else text)

    printed, _ = start(tmp_path, "--python", str(python), here=False).communicate(timeout=60)

    assert f"made again: -m venv --clear {tmp_path / 'venv'}" in printed
    assert "Traceback" not in printed
    assert not note.exists(), "the next run would take what is half made for whole"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        show = start(tmp_path, "--entries", "1", "--port", str(port))
        printed, _ = show.communicate(timeout=60)

    assert show.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used: Address already in use" in printed
    assert "--port" in printed
    assert "Traceback" not in printed
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
