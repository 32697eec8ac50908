"""What a store beside a DatabaseQueue guarantees in addition: it is in the transactions of its alias."""

from __future__ import annotations

import threading

import pytest
from django.db import connections, transaction
from django.db.models import F

from djutils.models import QueueKey
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Placement, Rejection
from djutils.queue.stores.database_store import DatabaseStore
from djutils.testing.contract_queue import until
from djutils.testing.contract_store import LONG, SOON, StoreContract
from tests.servers import free_port


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

    def test_a_transaction_that_is_managed_by_hand_stays_open(self, store: DatabaseStore) -> None:
        if self.opened:
            pytest.skip("a consumer's connection commits by itself")
        store.set({"deleted": b"before"}, LONG)
        transaction.set_autocommit(False, using=self.alias)
        try:
            store.set({str(number): b"value" for number in range(1000)}, LONG)
            assert store.add("added", b"value", LONG)
            assert store.increment("counter", 1, LONG) == 1
            assert store.delete(["deleted"]) == 1
        finally:
            transaction.rollback(using=self.alias)
            transaction.set_autocommit(True, using=self.alias)

        assert store.get(["0", "999", "added", "counter", "deleted"]) == {"deleted": b"before"}

    def test_what_another_program_has_spoilt_is_read_as_far_as_possible(self, store: DatabaseStore) -> None:
        if connections[self.alias].vendor != "sqlite":
            pytest.skip("its columns have types")
        store.set({"text": b"value", "number": b"value"}, LONG)
        with connections[self.alias].cursor() as cursor:
            for key, value in (("text", "'text'"), ("number", "5")):
                cursor.execute(
                    f"UPDATE djutils_queuekey SET value = {value} WHERE key = %s", [store.stored_key(key)]
                )

        assert store.get(["text", "number"]) == {"text": b"text", "number": b"5"}
        assert store.increment("number", 1, LONG) == 6

    def test_what_a_transaction_writes_does_not_hold_up_the_removal_of_the_rest(
        self, store: DatabaseStore, name: str
    ) -> None:
        if not connections[self.alias].features.has_select_for_update_skip_locked:
            pytest.skip("it has one lock for everything")
        store.set({"held": b"value", "free": b"value"}, SOON)
        until(lambda: not store.get(["held", "free"]), "both had expired")
        held, removed = threading.Event(), threading.Event()
        seen: list[bool] = []

        def hold() -> None:
            own = self.make_store(name)
            with transaction.atomic(using=self.using(own)):
                own.set({"held": b"again"}, LONG)
                held.set()
                seen.append(removed.wait(20))
            self.end_thread(own)

        other = threading.Thread(target=hold)
        other.start()
        assert held.wait(20)
        assert store.remove_expired(1000), "what is not held is removed"
        assert not QueueKey.objects.using(self.alias).filter(key=store.stored_key("free")).exists()
        removed.set()
        other.join()
        assert seen == [True], "it was removed while the other transaction was open"
        assert store.get(["held"]) == {"held": b"again"}

    def test_what_is_set_again_between_the_search_and_the_removal_stays(self, store: DatabaseStore) -> None:
        store.set({"again": b"value"}, LONG)

        assert store._remove([store.stored_key("again")]) == 0
        assert store.get(["again"]) == {"again": b"value"}

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

        until(lambda: store.remove_expired(1000) == 0 and not row.exists(), "its day was over")
        assert queue.send_once("key", Envelope(new_id(), b"data"))
        assert len(queue) == 2
        row.update(expires=F("expires") - day)
        until(
            lambda: queue.send_once("key", Envelope(new_id(), b"data")),
            "its day was over, and it is still there",
        )
        queue.flush()

    def test_a_key_that_a_message_holds_is_kept_as_long_as_the_message(
        self, store: DatabaseStore, name: str
    ) -> None:
        queue = DatabaseQueue(name, self.alias)

        def send() -> Placement:
            return queue.send_unique(Envelope(new_id(), b"data"), "key", "done")

        first, owner = send(), new_owner()
        row = QueueKey.objects.using(self.alias).filter(key=queue._unique.stored_key("key"))

        def look() -> None:
            row.update(expires=0)
            until(lambda: not store.remove_expired(1000), "all that had expired was looked at")
            assert row.filter(expires__gt=0).exists()

        for _ in range(3):
            look()
        row.update(expires=0)
        assert send() == Placement(first.id, "held")

        queue.enroll(owner)
        queue.receive(owner, 1)
        queue.reject(owner, [Rejection(first.id, "no")])
        look()
        queue.replay([first.id])
        assert send() == Placement(first.id, "held")

        queue.flush()
        row.update(expires=0)
        until(lambda: store.remove_expired(1000) == 0 and not row.exists(), "nothing held it")

    def using(self, store: DatabaseStore) -> str:
        with store._database() as connection:
            return str(connection.alias)
