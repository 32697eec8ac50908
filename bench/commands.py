"""The command that is measured."""

from __future__ import annotations

import os
from pathlib import Path

from bench.stamps import Stamps
from djutils.queue.decorators import queue_command

stamps = Stamps(Path(os.environ["BENCH_FOLDER"]) / "stamps")


@queue_command
def noop() -> None:
    """Nothing but the note that it was run."""
    stamps.hit()
