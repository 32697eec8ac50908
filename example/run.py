"""The whole guestbook: install, migrate, open the site, start the daemon, let visitors in, count, stop.

``python example/run.py`` on any machine with Python 3.11 or newer; ``--help`` lists the options.
Everything it makes is in ``example/out``.
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
from typing import Any, TextIO
from urllib.request import ProxyHandler, build_opener

import servers
from environment import CHECKOUT, move_in
from guestbook import ACCOUNT
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
URL_HELP = "your own server for redis or postgres, also GUESTBOOK_URL; without it one is started and stopped"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""What a password is made of: nothing that looks like something else."""


def main() -> int:
    """Run the example; return the exit code."""
    options = parse()
    listen_to_signals()
    try:
        with alone(options.out) as address:
            if not options.here:
                move_in(options)  # and start again in there
            with stage() as stack:
                return Show(options, stack, address).run()
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n{error}\nEverything that was started is stopped.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything is stopped.", file=sys.stderr)
        return 130


def parse() -> argparse.Namespace:
    """Return the options on the command line."""
    parser = argparse.ArgumentParser(description="A guestbook whose visitors do not wait: a tour of djutils.")
    add = parser.add_argument
    add("--backend", choices=("sqlite", "redis", "postgres"), default="sqlite", help="where the queue lives")
    add("--url", default=os.environ.get("GUESTBOOK_URL", ""), help=URL_HELP)
    add("--entries", type=int, default=40, metavar="N", help="how many visitors come (40)")
    add("--serve", action="store_true", help="keep site, admin and daemon running until Ctrl-C")
    add("--port", type=int, default=0, help="the port of the site on 127.0.0.1 (a free one)")
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
    if not 0 <= options.port <= 65535:
        parser.error("--port must be between 1 and 65535")
    options.out = options.out.resolve()
    return options


class Show:
    """The steps, in order; what is started is ended when the stack closes."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack, address: TextIO) -> None:
        self.options, self.out, self.stack, self.address = options, options.out, stack, address
        self.setup_log, self.log = self.out / "setup.log", self.out / "consumer.log"
        self.pidfile = self.out / "consumer.pid"
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLE, CHECKOUT))),
            "GUESTBOOK_BACKEND": options.backend,
            "GUESTBOOK_OUT": str(self.out),
            "GUESTBOOK_SECRET_KEY": secrets.token_urlsafe(50),
            "GUESTBOOK_URL": options.url,
            "GUESTBOOK_VISITORS": str(options.entries),
        }
        self.site, self.password = "", "".join(secrets.choice(LETTERS) for _ in range(12))

    def run(self) -> int:
        """Do all of it; return the exit code."""
        self.clear_away()
        with step(f"preparing {self.options.backend}"):
            self.prepare()
        with step("opening the site"):
            server = self.open_site()
        self.announce()
        with step("starting the daemon"):
            self.start_daemon()
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
        figures = self.let_visitors_in()
        self.manage("write_page", self.out / "index.html")
        text, complete = summary(figures, self.out)
        say(f"\n{text}\n\nlook at       {self.out / 'index.html'}\nthe log       {self.log}")
        if self.options.serve:
            self.announce()
            say("Ctrl-C closes both.")
            server.wait()
            raise Trouble(f"The site has ended unexpectedly:\n\n{tail((self.out / 'site.log').read_text())}")
        return 0 if complete else 1

    def clear_away(self) -> None:
        """Remove what an earlier run left; photos and the virtual environment stay."""
        if self.pidfile.exists():
            self.stop_daemon()
        for name in ("media", "mails"):
            shutil.rmtree(self.out / name, ignore_errors=True)
        for path in (*self.out.glob("guestbook.sqlite3*"), *self.out.glob("*.log"), self.out / "index.html"):
            if path.name != "install.log":
                path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Start the server that is needed, make the tables, begin with an empty guestbook."""
        if not self.options.url:
            self.env["GUESTBOOK_URL"] = servers.serve(self.options.backend, self.stack, self.out)
        self.manage("migrate")
        if self.options.url and self.options.backend == "postgres":  # a database that outlives this run
            self.stack.callback(self.manage, "close_admin")
        self.manage("start_over", GUESTBOOK_PASSWORD=self.password)

    def manage(self, *words: object, **environment: str) -> None:
        """Run a command of manage.py."""
        call([sys.executable, EXAMPLE / "manage.py", *words], self.setup_log, self.env | environment)

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
        """Start the web server; it listens as soon as it has printed its address."""
        # -P: a package of the same name in the current folder is not meant.
        words = [sys.executable, "-P", "-m", "mysite.serve", self.options.port]
        server = start(self.stack, words, self.out / "site.log", self.env, listen=True)
        self.site = server.stdout.readline().decode().strip() if server.stdout else ""
        if not self.site:
            server.wait()
            raise Trouble(f"The site does not start:\n\n{tail((self.out / 'site.log').read_text())}")
        print(self.site, file=self.address, flush=True)
        return server

    def announce(self) -> None:
        """Say where the site and its admin are, and how to log in."""
        stays = "" if self.options.serve else " until all is done; --serve keeps it open"
        say(
            f"\nThe guestbook is open at {self.site}{stays}\n"
            f"Its admin is at {self.site}admin/ (user name {ACCOUNT}, password {self.password})\n"
        )

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
        """Have the visitors sign, four at a time, and wait until their commands are done; return the figures."""
        crowd = visitors(self.options.entries, sorted((self.out / "photos").glob("photo-*")))
        pool = ThreadPoolExecutor(4)
        self.stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        signing = [pool.submit(sign, self.site, visitor) for visitor in crowd]
        return watch(self.status, signing, self.log)


if __name__ == "__main__":
    sys.exit(main())
