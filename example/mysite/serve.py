"""A web server for the example: prints its address, serves until its standard input ends or it is told to stop.

``python -m mysite.serve [PORT]``; without a port it takes a free one.
"""

from __future__ import annotations

import os
import sys
import threading

from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application


def _leave_with_parent() -> None:
    """End with the process that started us, however it ended: then the other end of the pipe is closed."""
    sys.stdin.buffer.read()
    os._exit(0)


def _announce(port: int) -> None:
    print(f"http://127.0.0.1:{port}/", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    try:
        run("127.0.0.1", port, get_wsgi_application(), threading=True, on_bind=_announce)
    except OSError as error:
        sys.exit(
            f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}. Leave out --port for a free one."
        )
