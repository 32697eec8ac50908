"""The stores beside each backend, and in Django's caches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from pytest_django import Settings
from redis.crc import key_slot

from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.exceptions import BackendUnavailable, ConfigurationError
from djutils.queue.ids import new_id
from djutils.queue.stores.base import Store
from djutils.queue.stores.cache_store import CacheStore
from djutils.queue.stores.database_store import DatabaseStore
from djutils.queue.stores.redis_store import RedisStore
from djutils.testing.contract_store import LONG, SOON, StoreContract
from tests.contract.four_methods import FolderQueue
from tests.contract.stores_in_databases import Boom, InDatabase
from tests.servers import Server, free_port
from tests.waiting import wait_until


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

    def test_a_deadlock_in_a_transaction_managed_by_hand_is_told_and_not_retried(
        self, store: DatabaseStore, name: str
    ) -> None:
        if self.opened:
            pytest.skip("a consumer's connection commits by itself")
        many = {str(number): b"other" for number in range(200)}
        holds, waits = threading.Event(), threading.Event()

        def cross() -> None:
            own = self.make_store(name)
            with transaction.atomic(using=self.alias):
                own.set(many, LONG)  # so it is the other one that is rolled back: it has written less
                holds.set()
                waits.wait(20)
                own.set({"mine": b"other"}, LONG)
            self.end_thread(own)

        other = threading.Thread(target=cross)
        transaction.set_autocommit(False, using=self.alias)
        try:
            store.set({"mine": b"mine", "first": b"mine"}, LONG)
            other.start()
            assert holds.wait(20)
            waits.set()
            with pytest.raises(BackendUnavailable, match="Another transaction was in the way"):
                store.set({"5": b"mine"}, LONG)
        finally:
            transaction.rollback(using=self.alias)
            transaction.set_autocommit(True, using=self.alias)
            other.join()
        assert store.get(["mine", "first", "5"]) == {"mine": b"other", "5": b"other"}


class Consumers(InDatabase):
    """On the private connection of a consumer."""

    opened = True


@pytest.mark.slow
class TestSQLiteOfAConsumer(Consumers, TestSQLite):
    pass


@pytest.mark.slow
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


class TestResultsInRedis(StoreContract):
    """Where a RedisQueue keeps results."""

    @pytest.fixture(autouse=True)
    def server(self, redis_server: Server) -> None:
        self.url = redis_server.url

    def make_store(self, name: str = "contract") -> Store:
        return RedisQueue(name, self.url).results

    def make_unreachable_store(self) -> Store:
        return RedisQueue("contract", f"redis://127.0.0.1:{free_port()}/0").results

    def test_a_record_that_is_set_again_with_another_life_has_only_that(self, store: Store) -> None:
        store.set({"a": b"first", "b": b"other"}, SOON)
        store.set({"a": b"second"}, LONG)
        wait_until(lambda: not store.get(["b"]))
        assert store.get(["a"]) == {"a": b"second"}
        assert store.delete(["a"]) == 1


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


@pytest.mark.slow
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
