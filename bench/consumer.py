"""A real consumer for the measurements: one process, one thread, its log in a file at WARNING."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import django

from djutils import queue
from djutils.queue.bin import logs
from djutils.queue.workers.options import ConsumerOptions, Hooks
from djutils.queue.workers.supervisor import Supervisor


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--delay", type=float, default=ConsumerOptions.delay)
    chosen = parser.parse_args()
    django.setup()
    queue.autodiscover()
    logs.to_file(chosen.log, "WARNING")
    options = ConsumerOptions(queues=("bench",), delay=chosen.delay)
    return Supervisor(options, Hooks(ready=chosen.log.with_suffix(".ready").touch)).run()


if __name__ == "__main__":
    sys.exit(main())
