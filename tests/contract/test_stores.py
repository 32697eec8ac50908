"""The stores beside each backend, and in Django's caches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.db.models import F
from pytest_django import Settings
from redis.crc import key_slot

from djutils.models import QueueKey
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.message import Envelope, new_id
from djutils.queue.stores.base import Store
from djutils.queue.stores.cache_store import CacheStore
from djutils.queue.stores.database_store import DatabaseStore
from djutils.queue.stores.redis_store import RedisStore
from djutils.testing.contract_queue import until
from djutils.testing.contract_store import LONG, SOON, StoreContract
from tests.contract.four_methods import FolderQueue
from tests.servers import Server, free_port


class Boom(Exception):
    pass


class InDatabase(StoreContract):
    alias: str
    opened = False

    def make_store(self, name: str = "contract") -> DatabaseStore:
        queue = DatabaseQueue(name, self.alias)
        if self.opened:
            queue.open()
        return queue.store

    def make_unreachable_store(self) -> DatabaseStore:
        entry = connections.settings[self.alias]
        if connections[self.alias].vendor == "sqlite":
            entry = {**entry, "NAME": "/nowhere/at/all"}
        connections.settings["unreachable"] = {**entry, "HOST": "127.0.0.1", "PORT": str(free_port())}
        return DatabaseQueue("contract", "unreachable").store

    def end_thread(self, store: DatabaseStore) -> None:
        with store._database() as connection:
            connection.close()

    def test_a_rollback_takes_every_write_with_it(self, store: DatabaseStore) -> None:
        store.set({"set": b"before", "deleted": b"before"}, LONG)
        store.increment("counter", 5, LONG)

        with pytest.raises(Boom), transaction.atomic(using=self.using(store)):
            store.set({"set": b"after", "new": b"after"}, LONG)
            assert store.add("added", b"after", LONG)
            assert store.increment("counter", 1, LONG) == 6
            assert store.delete(["deleted"]) == 1
            raise Boom

        keys = ["set", "new", "added", "counter", "deleted"]
        assert store.get(keys) == {"set": b"before", "counter": b"5", "deleted": b"before"}
        assert store.add("added", b"again", LONG)

    def test_a_commit_keeps_every_write(self, store: DatabaseStore, name: str) -> None:
        with transaction.atomic(using=self.using(store)):
            store.set({"set": b"after"}, LONG)
            assert store.add("added", b"after", LONG)
            assert store.increment("counter", 1, LONG) == 1

        assert self.make_store(name).get(["set", "added", "counter"]).keys() == {"set", "added", "counter"}

    def test_a_message_and_a_key_are_rolled_back_together(self, store: DatabaseStore, name: str) -> None:
        queue = DatabaseQueue(name, self.alias)
        with pytest.raises(Boom), transaction.atomic(using=self.alias):
            assert queue.store.add("key", b"value", LONG)
            assert queue.send_once("key", Envelope(new_id(), b"data"))
            raise Boom

        assert len(queue) == 0
        assert queue.send_once("key", Envelope(new_id(), b"data"))
        assert queue.store.get(["key"]) == {}
        queue.flush()

    def test_what_a_transaction_writes_does_not_hold_up_the_removal_of_the_rest(
        self, store: DatabaseStore, name: str
    ) -> None:
        if not connections[self.alias].features.has_select_for_update_skip_locked:
            pytest.skip("it has one lock for everything")
        until(lambda: not store.remove_expired(1000), "what other tests left was removed")
        store.set({"held": b"value", "free": b"value"}, SOON)
        until(lambda: not store.get(["held", "free"]), "both had expired")
        held, removed = threading.Event(), threading.Event()

        def hold() -> None:
            own = self.make_store(name)
            with transaction.atomic(using=self.using(own)):
                own.set({"held": b"again"}, LONG)
                held.set()
                removed.wait(20)
            self.end_thread(own)

        other = threading.Thread(target=hold)
        other.start()
        assert held.wait(20)
        assert store.remove_expired(10) == 1
        removed.set()
        other.join()
        assert store.get(["held"]) == {"held": b"again"}

    def test_expired_keys_are_found_by_their_index(self, store: DatabaseStore) -> None:
        with connections[self.alias].cursor() as cursor:
            found = connections[self.alias].introspection.get_constraints(cursor, QueueKey._meta.db_table)
        assert [*found["djutils_expires"]["columns"]] == ["expires"]

    def test_a_queue_keeps_the_time_by_the_clock_of_the_database(self, store: DatabaseStore) -> None:
        assert store.add("key", b"value", LONG)
        with connections[self.alias].cursor() as cursor:
            key = connections[self.alias].ops.quote_name("key")
            cursor.execute(
                f"UPDATE djutils_queuekey SET expires = expires - %s WHERE {key} = %s",
                [int(LONG * 1000), store.stored_key("key")],
            )
        until(lambda: not store.get(["key"]), "its time was over")

    def test_a_key_of_send_once_lives_for_a_day_and_is_then_removed(
        self, store: DatabaseStore, name: str
    ) -> None:
        queue = DatabaseQueue(name, self.alias)
        assert queue.send_once("key", Envelope(new_id(), b"data"))
        row = QueueKey.objects.using(self.alias).filter(key=queue._once.stored_key("key"))
        day = 24 * 3600 * 1000
        row.update(expires=F("expires") - day + 60_000)
        assert not queue.send_once("key", Envelope(new_id(), b"data"))
        row.update(expires=F("expires") - 60_000)

        until(lambda: store.remove_expired(1000) or not row.exists(), "its day was over")
        assert not row.exists()
        assert queue.send_once("key", Envelope(new_id(), b"data"))
        assert len(queue) == 2
        row.update(expires=F("expires") - day)
        until(
            lambda: queue.send_once("key", Envelope(new_id(), b"data")),
            "its day was over, and it is still there",
        )
        queue.flush()

    def using(self, store: DatabaseStore) -> str:
        with store._database() as connection:
            return str(connection.alias)


class TestSQLite(InDatabase):
    @pytest.fixture(autouse=True)
    def server(self, sqlite_alias: str) -> None:
        self.alias = sqlite_alias


class TestPostgres(InDatabase):
    @pytest.fixture(autouse=True)
    def server(self, postgres_alias: str) -> None:
        self.alias = postgres_alias


class TestMariaDB(InDatabase):
    @pytest.fixture(autouse=True)
    def server(self, mariadb_alias: str) -> None:
        self.alias = mariadb_alias


class Consumers(InDatabase):
    """On the private connection of a consumer."""

    opened = True


class TestSQLiteOfAConsumer(Consumers, TestSQLite):
    pass


class TestPostgresOfAConsumer(Consumers, TestPostgres):
    pass


class TestMariaDBOfAConsumer(Consumers, TestMariaDB):
    pass


class InRedis(StoreContract):
    url: str

    def make_store(self, name: str = "contract") -> RedisStore:
        self.queue = RedisQueue(name, self.url)
        return self.queue.store

    def make_unreachable_store(self) -> RedisStore:
        return RedisQueue("contract", f"redis://127.0.0.1:{free_port()}/0").store

    def test_the_server_forgets_every_key_by_itself(self, store: RedisStore) -> None:
        store.set({"set": b"value"}, LONG)
        store.add("added", b"value", LONG)
        store.increment("counter", 1, LONG)
        store.increment("counter", 1, LONG)

        for key in ("set", "added", "counter"):
            left = self.queue.server.call("PTTL", store.stored_key(key))
            assert (LONG - 60) * 1000 < left <= LONG * 1000

    def test_every_key_is_in_the_hash_slot_of_the_queue(self, store: RedisStore) -> None:
        for key in ("key", "{other}", "k" * 5000):
            assert key_slot(store.stored_key(key).encode()) == key_slot(self.queue.keys[0].encode())


class TestRedis(InRedis):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url


class TestValkey(InRedis):
    @pytest.fixture(autouse=True)
    def server(self, valkey_server: Server) -> None:
        self.url = valkey_server.url


class TestMemory(StoreContract):
    def make_store(self, name: str = "contract") -> Store:
        return MemoryQueue(name).store


class InCache(StoreContract):
    counts_to_64_bits = False

    def make_store(self, name: str = "contract") -> CacheStore:
        return CacheStore(name, "stores")


def configure(settings: Settings, backend: str, **entry: Any) -> None:
    path = f"django.core.cache.backends.{backend}"
    settings.CACHES = {"stores": {"BACKEND": path, "LOCATION": uuid4().hex, **entry}}


class TestLocalMemoryCache(InCache):
    @pytest.fixture(autouse=True)
    def cache(self, settings: Settings) -> None:
        configure(settings, "locmem.LocMemCache", OPTIONS={"MAX_ENTRIES": 5000})


class TestRedisCache(InCache):
    @pytest.fixture(autouse=True)
    def cache(self, settings: Settings, redis_server: Server) -> Iterator[None]:
        self.settings = settings
        configure(settings, "redis.RedisCache", LOCATION=redis_server.url)
        yield
        caches["stores"].close()

    def make_unreachable_store(self) -> CacheStore:
        configure(self.settings, "redis.RedisCache", LOCATION=f"redis://127.0.0.1:{free_port()}/0")
        return CacheStore("contract", "stores")


def test_a_cache_that_cannot_count_atomically_is_refused(settings: Settings, tmp_path: Any) -> None:
    configure(settings, "filebased.FileBasedCache", LOCATION=str(tmp_path))
    store = CacheStore("contract", "stores")

    with pytest.raises(ConfigurationError, match="'stores'.*FileBasedCache.*cannot count"):
        store.increment("counter", 1, LONG)
    assert store.get(["counter"]) == {}


def test_a_cache_that_is_not_configured_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'elsewhere'"):
        CacheStore("contract", "elsewhere").get(["key"])


def test_a_cache_that_was_cleared_has_forgotten(settings: Settings) -> None:
    configure(settings, "locmem.LocMemCache")
    store = CacheStore("contract", "stores")
    assert store.add("key", b"value", LONG)
    caches["stores"].clear()
    assert store.add("key", b"value", LONG)


def test_a_backend_of_four_methods_has_no_store(tmp_path: Any) -> None:
    assert FolderQueue("contract", str(tmp_path)).store is None


def test_the_store_of_a_queue_reached_through_another_alias_is_there_also(sqlite_alias: str) -> None:
    connections.settings["same"] = connections.settings[sqlite_alias]
    name = f"contract-{new_id()}"
    queue = DatabaseQueue(name, sqlite_alias).through("same")
    assert queue is not None
    with pytest.raises(Boom), transaction.atomic(using="same"):
        queue.store.set({"key": b"value"}, LONG)
        raise Boom

    queue.store.set({"other": b"value"}, LONG)
    assert DatabaseQueue(name, sqlite_alias).store.get(["key", "other"]) == {"other": b"value"}
    connections["same"].close()
    del connections["same"], connections.settings["same"]
