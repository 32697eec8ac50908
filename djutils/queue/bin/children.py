"""Calls that are better made in a child process: whatever they leave behind ends with it."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any

from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.streams import flush_standard_streams


def call(function: Callable[[], Any]) -> Any:
    """Return what ``function`` returns in a child process, by way of JSON.

    What it raises is raised here as ``ConsumerError``; ``EOFError`` if the child died instead.
    """
    flush_standard_streams()
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(say, json.dumps(_result(function)).encode())
        finally:
            os._exit(0)
    os.close(say)
    with os.fdopen(hear, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    if not text:
        raise EOFError
    result, error, exit_code = json.loads(text)
    if error:
        raise ConsumerError(error, exit_code)
    return result


def _result(function: Callable[[], Any]) -> tuple[Any, str, int]:
    try:
        return function(), "", 0
    except ConsumerError as error:
        return None, str(error), error.exit_code
    except Exception:  # noqa: BLE001  (any error is raised again in the calling process)
        return None, traceback.format_exc(), 1
