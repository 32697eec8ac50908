"""A consumer that stays in the foreground, with leases that a test can wait for."""

from __future__ import annotations

import argparse
import logging
import sys

import django

from djutils import queue
from djutils.queue.backends import queues
from djutils.queue.conf import settings
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.supervisor import Supervisor


def options() -> ConsumerOptions:
    parser = argparse.ArgumentParser()
    parser.add_argument("-q", dest="queues", action="append", default=[])
    parser.add_argument("-w", dest="processes", type=int, default=1)
    parser.add_argument("-t", dest="threads", type=int, default=1)
    parser.add_argument("--coroutines", type=int, default=0)
    parser.add_argument("-n", dest="periodic", action="store_false")
    parser.add_argument("--lease", type=float, default=30.0)
    parser.add_argument("--grace", type=float, default=25.0)
    parser.add_argument("--max-commands", type=int, default=0)
    parser.add_argument("--max-memory", type=int, default=0)
    chosen = vars(parser.parse_args())
    queues = tuple(chosen.pop("queues")) or (settings.queue_name,)
    return ConsumerOptions(queues=queues, **chosen)


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    django.setup()
    queue.autodiscover()
    chosen = options()
    for name in chosen.queues:
        queues.fresh(name)  # imported once, not by each child
    sys.exit(Supervisor(chosen).run())
