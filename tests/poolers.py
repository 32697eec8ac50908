"""PgBouncer in front of PostgreSQL: many clients share few sessions, one transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import OwnServer, another_user, answers, on_path

HINT = "install PgBouncer (apt-get install pgbouncer)"


class PgBouncerServer(OwnServer):
    """Lends sessions of the server at ``port`` of the loopback; every user may log in."""

    def __init__(self, port: int, pool_mode: str) -> None:
        self.binary = on_path("pgbouncer", HINT)
        self.server_port, self.pool_mode = port, pool_mode
        super().__init__()
        self.prefix = another_user(self.directory)

    def _url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/"

    def prepare(self) -> None:
        users = self.directory / "users"
        users.write_text('"postgres" ""\n')
        self._file.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self.server_port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = {self.pool_mode}\n"
            f"default_pool_size = 2\nignore_startup_parameters = extra_float_digits\n"
        )

    @property
    def _file(self) -> Path:
        return self.directory / "pgbouncer.ini"

    def _command(self) -> list[str]:
        return [*self.prefix, self.binary, str(self._file)]

    def _is_ready(self) -> bool:
        # The request for TLS, which it answers with one letter.
        return answers(self.port, b"\0\0\0\x08\x04\xd2\x16/") in {b"N", b"S"}


@contextmanager
def pgbouncer(port: int, pool_mode: str = "transaction") -> Iterator[PgBouncerServer]:
    """A private PgBouncer in front of the PostgreSQL at ``port``."""
    server = PgBouncerServer(port, pool_mode)
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.remove()
