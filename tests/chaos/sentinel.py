"""A real Sentinel that watches one Redis."""

from __future__ import annotations

from typing import Any

from redis import Redis

from tests.servers import OwnServer, answers

NAME = "djutils"


class Sentinel(OwnServer):
    """Promotes a replica when the server at ``port`` has been silent for half a second."""

    def __init__(self, binary: str, primary: int) -> None:
        self.binary = binary
        super().__init__()
        self._settings = self.directory / "sentinel.conf"  # which Sentinel rewrites itself
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor {NAME} 127.0.0.1 {primary} 1",
            f"sentinel down-after-milliseconds {NAME} 500",
            f"sentinel failover-timeout {NAME} 5000",
        ]
        self._settings.write_text("\n".join(lines) + "\n")

    def _url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        return [self.binary, str(self._settings), "--sentinel"]

    def _is_ready(self) -> bool:
        return answers(self.port, b"PING\r\n").startswith(b"+PONG")

    def primary(self) -> int:
        """Return the port of the server that Sentinel considers the primary."""
        return int(self._ask("sentinel_get_master_addr_by_name")[1])

    def replicas(self) -> int:
        """Return how many replicas it knows."""
        return len(self._ask("sentinel_slaves"))

    def _ask(self, question: str) -> Any:
        with Redis.from_url(self.url) as client:
            return getattr(client, question)(NAME)
