"""PgBouncer between Django and PostgreSQL, in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import Unavailable, answers, free_port
from tests.waiting import wait_until

_CONFIGURATION = """
[databases]
* = host={host} port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Answer the URL of a PgBouncer in front of the PostgreSQL at ``url``; it is gone after the block."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    binary = shutil.which("pgbouncer", path=places)
    if binary is None:
        raise Unavailable("no pgbouncer on PATH: install it (apt-get install pgbouncer)")
    parts = urlsplit(url)
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="djutils-pooler-"))
    configuration = folder / "ini"
    facts = {"host": parts.hostname, "server": parts.port, "user": parts.username}
    configuration.write_text(_CONFIGURATION.format(port=port, folder=folder, **facts))
    command = [binary, "-q", str(configuration)]
    if os.geteuid() == 0:  # it refuses to run as root
        shutil.chown(folder, "nobody")
        command = ["setpriv", "--reuid=nobody", "--clear-groups", *command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # To a request for TLS it answers in one letter.
        wait_until(lambda: answers(port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), why=lambda: _log(folder))
        yield parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _log(folder: Path) -> str:
    log = folder / "log"
    return log.read_text(errors="replace") if log.exists() else "it logged nothing"
