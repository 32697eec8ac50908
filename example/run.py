"""The guestbook, whole: install, migrate, start the daemon, let visitors in, count, stop.

``python example/run.py`` on any machine with Python 3.11 or newer; ``--help`` tells the rest.
Everything it makes lies in ``example/out``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import servers
from environment import CHECKOUT, move_in
from processes import (
    Trouble,
    alone,
    call,
    in_session_of,
    listen_to_signals,
    stage,
    start,
    still_there,
    tail,
    undisturbed,
)
from progress import Figures, say, step, summary, watch
from visitors import sign, visitors

EXAMPLE = Path(__file__).resolve().parent
CONSUMER = CHECKOUT / "djutils" / "queue" / "bin" / "consumer.py"
PHOTOS = 12
URL_HELP = "your own server for redis or postgres, also GUESTBOOK_URL; without it one is started for the show"


def main() -> int:
    """Run the show; answer the exit code."""
    options = parse()
    listen_to_signals()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with alone(options.out):
            if not options.here:
                move_in(options)  # and start again in there
            with stage() as stack:
                return Show(options, stack).run()
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything is stopped.", file=sys.stderr)
        return 130


def parse() -> argparse.Namespace:
    """Answer what was asked for on the command line."""
    parser = argparse.ArgumentParser(description="A guestbook whose visitors do not wait: a tour of djutils.")
    add = parser.add_argument
    add("--backend", choices=("sqlite", "redis", "postgres"), default="sqlite", help="where the queue lives")
    add("--url", default=os.environ.get("GUESTBOOK_URL", ""), help=URL_HELP)
    add("--entries", type=int, default=40, metavar="N", help="how many visitors come (40)")
    add("--serve", action="store_true", help="keep site and daemon running, to click through the guestbook")
    add("--python", default=sys.executable, help="the Python to work with, 3.11 or newer (this one)")
    add("--out", type=Path, default=EXAMPLE / "out", help="where everything is made (example/out)")
    add("--here", action="store_true", help="install nothing, use the packages of this Python")
    options = parser.parse_args()
    if options.entries < 1:
        parser.error("--entries must be 1 or more")
    if sys.version_info < (3, 11) and (options.here or options.python == sys.executable):
        parser.error(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; name one with --python"
        )
    options.out = options.out.resolve()
    return options


class Show:
    """What happens on the stage, in order; what is started is ended when the stack closes."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options, self.out, self.stack = options, options.out, stack
        self.setup_log, self.log = self.out / "setup.log", self.out / "consumer.log"
        self.pidfile = self.out / "consumer.pid"
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLE, CHECKOUT))),
            "GUESTBOOK_BACKEND": options.backend,
            "GUESTBOOK_OUT": str(self.out),
            "GUESTBOOK_SECRET_KEY": secrets.token_urlsafe(50),
            "GUESTBOOK_URL": options.url,
        }
        self.site = ""

    def run(self) -> int:
        """Do all of it; answer the exit code."""
        self.clear_away()
        with step(f"preparing {self.options.backend}"):
            self.prepare()
        with step("painting photos"):
            call(
                [
                    sys.executable,
                    EXAMPLE / "photos.py",
                    self.out / "photos",
                    min(PHOTOS, self.options.entries),
                ],
                self.setup_log,
            )
        with step("starting the daemon"):
            self.start_daemon()
        with step("opening the site"):
            server = self.open_site()
        figures = self.let_visitors_in()
        self.manage("write_page", self.out / "index.html")
        text, complete = summary(figures, self.out)
        say(f"\n{text}\n\nlook at       {self.out / 'index.html'}\nthe log       {self.log}\n")
        if self.options.serve:
            say(f"The guestbook is open at {self.site} (Ctrl-C closes it).")
            server.wait()
            raise Trouble(f"The site has ended by itself:\n\n{tail((self.out / 'site.log').read_text())}")
        return 0 if complete else 1

    def clear_away(self) -> None:
        """Remove what an earlier run has left; photos and the virtual environment stay."""
        if self.pidfile.exists():
            self.stop_daemon()
        for name in ("media", "mails"):
            shutil.rmtree(self.out / name, ignore_errors=True)
        for path in (*self.out.glob("guestbook.sqlite3*"), *self.out.glob("*.log"), self.out / "index.html"):
            if path.name != "install.log":
                path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Start the server we need, make the tables, begin with an empty guestbook."""
        if not self.options.url:
            self.env["GUESTBOOK_URL"] = servers.serve(self.options.backend, self.stack, self.out)
        self.manage("migrate")
        self.manage("start_over")

    def manage(self, *words: object) -> None:
        """Run a command of manage.py."""
        call([sys.executable, EXAMPLE / "manage.py", *words], self.setup_log, self.env)

    def consumer(self, *words: object) -> None:
        """Run consumer.py, by path."""
        where = ("-l", self.log, "-p", self.pidfile)
        call([sys.executable, CONSUMER, *words, *where], self.setup_log, self.env)

    def start_daemon(self) -> None:
        """Start the consumer: two processes of two threads."""
        with undisturbed():  # a daemon that is half up could not be told to stop
            self.stack.callback(self.stop_daemon)
            self.consumer("start", "-w", 2, "-t", 2)

    def stop_daemon(self) -> None:
        """Stop the consumer and make sure that it is gone, workers and all."""
        if not self.pidfile.exists():
            return
        pids = in_session_of(int(self.pidfile.read_text().split()[0]))
        with step("stopping the daemon"):
            self.consumer("stop")
        if left := still_there(pids):
            raise Trouble(f"The daemon was stopped, but these processes of it still run: {sorted(left)}.")
        say(f"The daemon's {len(pids)} processes are gone.")

    def open_site(self) -> subprocess.Popen[bytes]:
        """Start the web server; once it has said where it listens, it does."""
        words = [sys.executable, "-m", "mysite.serve"]
        server = start(self.stack, words, self.out / "site.log", self.env, listen=True)
        self.site = server.stdout.readline().decode().strip() if server.stdout else ""
        if not self.site:
            raise Trouble(f"The site does not start:\n\n{tail((self.out / 'site.log').read_text())}")
        return server

    def status(self) -> dict[str, Any]:
        """Ask the site how far everything is."""
        browser = build_opener(ProxyHandler({}))
        try:
            answer: dict[str, Any] = json.load(browser.open(f"{self.site}status/", timeout=30))
        except OSError as error:
            log = tail((self.out / "site.log").read_text())
            raise Trouble(f"\nThe site does not say how far it is: {error}\n\n{log}") from error
        return answer

    def let_visitors_in(self) -> Figures:
        """Have everybody sign, four at a time, and wait until all is churned; answer the figures."""
        crowd = visitors(self.options.entries, sorted((self.out / "photos").glob("photo-*")))
        pool = ThreadPoolExecutor(4)
        self.stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        signing = [pool.submit(sign, self.site, visitor) for visitor in crowd]
        return watch(self.status, signing, self.log)


if __name__ == "__main__":
    sys.exit(main())
