"""RedisQueue with users that have exactly the permissions they need, and its errors when they lack one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from django.test import RequestFactory
from pytest_django import Settings

from djutils.contrib.health import health
from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.backends.redis_rights import CONSUMER, NOTIFICATIONS, PRODUCER, grant
from djutils.queue.exceptions import BackendError, BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Stats
from djutils.queue.waiting import WaitForEnd
from djutils.testing.contract import LeasedQueueContract
from tests.scraping import Scrape
from tests.servers import Server

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "least-privilege.rst"
WORDS_IN_GRANT = re.compile(r"ACL SETUSER [^.]+")


def connection(url: str, user: str, database: int = 0) -> str:
    return url.replace("://", f"://{user}:word@").replace("/0", f"/{database}")


def allow(admin: redis.Redis, user: str, commands: Collection[str]) -> None:
    admin.execute_command(*grant(user, commands).split(), "on", ">word")


class TwoUsers(RedisQueue):
    """A queue whose messages come from a process that only enqueues."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, connection(url, "consumer"))
        self.producer = RedisQueue(name, connection(url, "producer"))

    def send(self, envelopes: Sequence[Envelope]) -> None:
        self.producer.send(envelopes)

    def stats(self) -> Stats:
        return self.producer.stats()

    def close(self) -> None:
        super().close()
        self.producer.close()


@pytest.fixture(params=["redis_server", "valkey_server"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def admin(server: Server) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client
        client.acl_deluser("producer", "consumer")


@pytest.fixture
def name() -> str:
    return f"rights-{new_id()}"


@pytest.mark.slow
class TestLeastRights(LeasedQueueContract):
    @pytest.fixture(autouse=True)
    def users(self, valkey_server: Server) -> Iterator[None]:
        self.url = valkey_server.url
        with redis.Redis.from_url(self.url) as admin:
            allow(admin, "producer", PRODUCER)
            allow(admin, "consumer", CONSUMER)
            rights = [f"+{right}" for right in NOTIFICATIONS]
            admin.execute_command("ACL", "SETUSER", "consumer", "&{djq:*", *rights)
            yield
            admin.acl_deluser("producer", "consumer")

    def make_queue(self, name: str = "contract") -> TwoUsers:
        queue = TwoUsers(name, self.url)
        queue.open()
        queue.close()
        return queue


def all_that_a_producer_does(queue: RedisQueue) -> None:
    queue.send([Envelope(new_id(), b"data")])
    queue.send([Envelope(new_id(), b"data", priority=3), Envelope(new_id(), b"data", delay=60.0)])
    for _ in range(2):
        assert queue.send_unique(Envelope(new_id(), b"data"), "key", "done").how
    assert len(queue) == 4


def test_rights_hold_on_every_database(server: Server, admin: redis.Redis, name: str) -> None:
    allow(admin, "producer", PRODUCER)
    queue = RedisQueue(name, f"{connection(server.url, 'producer', 3)}?health_check_interval=1")

    all_that_a_producer_does(queue)
    for idle, _ in queue.server._idle:
        idle.next_health_check = 1.0  # long ago

    assert len(queue) == 4
    queue.close()


def test_metrics_and_health_work_with_the_rights_of_a_consumer(
    server: Server, admin: redis.Redis, name: str, settings: Settings
) -> None:
    allow(admin, "consumer", CONSUMER)
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = "djutils.queue.backends.redis_backend.RedisQueue", name
    settings.QUEUE_CONNECTION = connection(server.url, "consumer")
    queues[name].write(b"data")

    told = json.loads(health(RequestFactory().get("/"), names=[name], details=True).content)

    assert Scrape().value("djutils_queue_messages", queue=name, state="ready") == 1
    assert told["queues"][name]["problems"] == ["no consumer works on it"]
    queues[name].flush()


@pytest.mark.parametrize("right", PRODUCER)
def test_a_producer_that_lacks_a_right_is_told_which_and_how_to_allow_it(
    server: Server, admin: redis.Redis, name: str, right: str
) -> None:
    allow(admin, "producer", {*PRODUCER} - {right})
    queue = RedisQueue(name, connection(server.url, "producer", int(right == "select")))
    if right == "ping":
        queue = RedisQueue(name, f"{connection(server.url, 'producer')}?health_check_interval=1")
        assert len(queue) == 0
        for idle, _ in queue.server._idle:
            idle.next_health_check = 1.0
    if right == "eval":
        admin.script_flush()

    with pytest.raises(BackendError, match=rf"'producer'.*\b{right.partition('|')[0]}\b") as refused:
        all_that_a_producer_does(queue)

    assert not isinstance(refused.value, BackendUnavailable)
    line = WORDS_IN_GRANT.search(str(refused.value))
    assert line, "it says what to type"
    admin.execute_command(*line[0].split())
    queue = RedisQueue(f"{name}-again", connection(server.url, "producer"))
    all_that_a_producer_does(queue)
    queue.close()


@pytest.mark.parametrize("right", CONSUMER)
def test_a_consumer_that_lacks_a_right_is_refused_when_it_opens_and_told_which(
    server: Server, admin: redis.Redis, name: str, right: str
) -> None:
    allow(admin, "consumer", {*CONSUMER} - {right})
    queue = RedisQueue(name, connection(server.url, "consumer", int(right == "select")))
    sent = RedisQueue(name, server.url)
    sent.write(b"data")

    with pytest.raises(BackendError, match=rf"'consumer'.*\b{right.partition('|')[0]}\b") as refused:
        queue.open()

    assert len(sent) == 1
    assert set(admin.keys(f"*{name}*")) <= {
        f"{{djq:{name}}}:{key}".encode() for key in ("messages", "ready", "wake", "count")
    }
    line = WORDS_IN_GRANT.search(str(refused.value))
    assert line, "it says what to type"
    admin.execute_command(*line[0].split())
    queue.open()
    queue.close()
    sent.close()


def test_keys_that_are_out_of_reach_are_told(server: Server, admin: redis.Redis, name: str) -> None:
    admin.acl_setuser(
        "consumer",
        enabled=True,
        passwords=["+word"],
        keys=["elsewhere:*"],
        commands=[f"+{right}" for right in CONSUMER],
    )
    queue = RedisQueue(name, connection(server.url, "consumer"))

    with pytest.raises(BackendError, match=r"~\{djq:\*"):
        queue.open()
    with pytest.raises(BackendError, match=r"~\{djq:\*"):
        queue.write(b"data")
    with pytest.raises(BackendError):
        queue.owners()
    queue.close()


def test_a_right_that_is_taken_away_and_given_back_costs_nothing(
    server: Server, admin: redis.Redis, name: str
) -> None:
    allow(admin, "consumer", CONSUMER)
    queue, owner = RedisQueue(name, connection(server.url, "consumer")), new_owner()
    queue.open()
    queue.enroll(owner)
    ids = [new_id() for _ in range(20)]
    queue.send([Envelope(id, b"data") for id in ids])
    queue.receive(owner, 10)
    admin.execute_command("ACL", "SETUSER", "consumer", "-rpush")

    for _ in range(5):
        for give_back in (lambda: queue.release(owner, ids[:10]), lambda: queue.reap(owner)):
            with pytest.raises(BackendError, match="rpush"):
                give_back()

    assert queue.stats() == Stats(ready=10, leased=10)
    admin.execute_command("ACL", "SETUSER", "consumer", "+rpush")
    assert queue.reap(owner) == 10
    queue.enroll(owner)
    lent = queue.receive(owner, 100).deliveries
    assert [delivery.id for delivery in lent] == ids
    assert {delivery.redeliveries for delivery in lent[:10]} == {1}
    queue.reap(owner)
    queue.flush()
    queue.close()


def test_the_page_about_rights_shows_exactly_these() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("\\|", "|").replace("\\\n", "")
    shown = [line.split() for line in page.splitlines() if "redis-cli ACL SETUSER" in line]

    assert [[word for word in words if word.startswith("+")] for words in shown] == [
        [f"+{right}" for right in rights] for rights in (PRODUCER, CONSUMER, NOTIFICATIONS)
    ]
    assert all("'~{djq:*'" in words for words in shown[:2])
    assert "'&{djq:*'" in shown[2]


def test_who_may_not_subscribe_looks_again_and_again(server: Server, admin: redis.Redis, name: str) -> None:
    allow(admin, "consumer", CONSUMER)
    queue = RedisQueue(name, connection(server.url, "consumer"))

    with pytest.raises(BackendError, match="subscribe"):
        queue.subscribe(new_id())

    with WaitForEnd(queue, new_id(), 30) as waiting:
        for _ in range(3):
            waiting.sleep()
    assert not waiting.is_over
    queue.close()
