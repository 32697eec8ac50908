"""Faults of the network between the backend and its clients."""

from __future__ import annotations

from tests.project.app import commands
from tests.waiting import wait_until

from .catalogue import SERVERS, fault
from .faults import wait_for_workers
from .field import LEASE, PATIENCE, Field

BACK = "The backend answers again"
CUT = f"{BACK}|Waiting for it|Upkeep is delayed"
"""Return whether everything was done anyway: the cut reply may have been the last one."""


def cut(field: Field, keep: float) -> None:
    """Cut one of the next replies to the consumers, and one to the producers."""
    for proxy in field.wires:
        cuts = proxy.cuts
        proxy.cut_reply(field.random.randint(1, 20), keep)
        wait_until(lambda: proxy.cuts > cuts or field.is_done(), PATIENCE, every=0.005)  # noqa: B023


@fault(SERVERS, times=10, short=("redis",), wired=True, says=CUT)
def reply_cut_in_the_middle(field: Field) -> None:
    """Cut a reply to an enqueue, receive, ack or beat: it was carried out, but only half of the reply arrives."""
    cut(field, field.random.uniform(0.1, 0.9))


@fault(SERVERS, times=10, short=("postgres",), wired=True, says=CUT)
def reply_swallowed(field: Field) -> None:
    """The call was carried out, but nothing of the reply arrives."""
    cut(field, 0.0)


@fault(SERVERS, times=5, wired=True, says=BACK)
def connections_reset(field: Field) -> None:
    """Every connection breaks at the same moment."""
    wait_for_workers(field.consumer)
    for proxy in field.wires:
        proxy.reset()


@fault(SERVERS, times=3, wired=True, says=BACK)
def connections_refused(field: Field) -> None:
    """For a while no client can connect."""
    wait_for_workers(field.consumer)
    for proxy in field.wires:
        proxy.refuse()
    field.pause(0.5, 2.0)
    for proxy in field.wires:
        proxy.repair()


@fault(SERVERS, wired=True, count=400)
def network_slow(field: Field) -> None:
    """Half a second in each direction, for several leases."""
    for proxy in field.wires:
        proxy.delay = 0.5
    field.pause(2 * LEASE, 2 * LEASE)
    for proxy in field.wires:
        proxy.repair()


@fault(SERVERS, wired=True, count=100)
def network_slow_for_one_thread_with_two_queues(field: Field) -> None:
    """A consumer polls two queues in turn, and each reply takes longer than a command: neither queue starves."""
    assert field.consumer.stop() == 0, field.consumer.log()
    second = f"{field.queue.name}-second"
    field.start_consumer("-q", field.queue.name, "-q", second, "-t", "1", processes=1)
    wait_for_workers(field.consumer)
    field.wires.consumers.delay = 0.2
    for number in range(50):
        commands.append.using(queue_name=second)(field.site.file("second"), number)
    wait_until(lambda: len(commands.lines(field.site.file("second"))) == 50, PATIENCE, why=field.site.logs)
    field.wires.consumers.repair()


@fault(SERVERS, wired=True)
def network_holed_for_longer_than_the_lease(field: Field) -> None:
    """Nothing arrives, silently; then everything that was sent arrives late. There is no other consumer."""
    wait_for_workers(field.consumer)
    for proxy in field.wires:
        proxy.hole()
    field.pause(LEASE + 1, LEASE + 2)
    for proxy in field.wires:
        proxy.repair()


@fault(SERVERS, short=("redis",), wired=True, says="missed its heartbeat for 3 s(?s:.*)Lease lost")
def consumer_cut_off_for_longer_than_the_lease(field: Field) -> None:
    """Another host takes its messages; when it is back, it learns that they are no longer its own."""
    wait_for_workers(field.consumer)
    another = field.start_another(directly=True)
    wait_for_workers(another)
    field.send_more(40, 0.1)
    field.wires.consumers.hole()
    field.history.silenced |= field.consumer.members()
    wait_until(lambda: "missed its heartbeat for" in another.log(), PATIENCE, why=another.log)
    field.wires.consumers.repair()


@fault(SERVERS, wired=True)
def consumer_cut_off_and_reset(field: Field) -> None:
    """As with a firewall that forgets its connections: silence, then a reset."""
    wait_for_workers(field.consumer)
    field.wires.consumers.hole()
    field.pause(LEASE + 1, LEASE + 2)
    field.wires.consumers.reset()
    field.wires.consumers.repair()
