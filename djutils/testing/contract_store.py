"""What every store must guarantee, as tests: subclass ``StoreContract`` and define ``make_store``.

::

    from djutils.testing.contract_store import StoreContract

    class TestMyStore(StoreContract):
        def make_store(self, name="contract"):
            return MyStore(name, "somewhere")

Only pytest is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from djutils.queue.exceptions import BackendError, BackendUnavailable, NotStorable
from djutils.queue.ids import new_id
from djutils.queue.stores.base import LARGEST, Store
from djutils.testing.contract_names import ALIKE
from djutils.testing.contract_queue import PAYLOADS, THREADS, all_at_once, until

__all__ = ["StoreContract"]

LONG = 600.0
"""Seconds that no test lasts."""
SOON = 0.05
"""Seconds after which a value expires while a test waits; some stores round it up to a second."""
LAST = (1 << 63) - 1


class StoreContract:
    """For any ``Store``."""

    counts_to_64_bits = True
    """Whether a counter is refused what does not fit into 64 bits; a cache may count further."""

    def make_store(self, name: str = "contract") -> Any:
        """Return a new store object with that name. All objects with the same name see the same values."""
        raise NotImplementedError(f"{type(self).__name__} must define make_store(name).")

    def make_unreachable_store(self) -> Any:
        """Return a store whose server cannot be reached."""
        pytest.skip(f"{type(self).__name__} has no server (make_unreachable_store is not defined)")

    def end_thread(self, store: Any) -> None:
        """Close what ``store`` has opened for the calling thread."""

    @pytest.fixture
    def name(self) -> str:
        return f"contract-{new_id()}"

    @pytest.fixture
    def store(self, name: str) -> Iterator[Any]:
        store = self.make_store(name)
        yield store
        self.end_thread(store)

    # Values

    def test_what_was_set_is_found_and_the_rest_is_left_out(self, store: Store) -> None:
        store.set({"a": b"one", "b": b"two"}, LONG)

        assert store.get(["a", "b", "c", "a"]) == {"a": b"one", "b": b"two"}
        assert store.get(["c"]) == store.get([]) == {}

    def test_setting_again_replaces_the_value(self, store: Store) -> None:
        store.set({"a": b"one", "b": b"two"}, LONG)
        store.set({"b": b"three", "c": b"four"}, LONG)
        store.set({}, LONG)

        assert store.get(["a", "b", "c"]) == {"a": b"one", "b": b"three", "c": b"four"}

    @pytest.mark.parametrize("value", PAYLOADS.values(), ids=PAYLOADS.keys())
    def test_bytes_come_back_as_they_are(self, store: Store, value: bytes) -> None:
        assert store.add("added", value, LONG)
        store.set({"set": value}, LONG)

        assert store.get(["added", "set"]) == {"added": value, "set": value}

    def test_values_of_a_mebibyte_come_back_as_they_are(self, store: Store) -> None:
        values = {str(number): bytes([number, 0, 39, 92]) * (LARGEST // 4) for number in range(5)}
        store.set(values, LONG)
        assert store.add("added", values["1"], LONG)

        assert store.get([*values, "added"]) == {**values, "added": values["1"]}

    def test_many_keys_are_set_found_and_deleted_at_once(self, store: Store) -> None:
        values = {f"key {number}": str(number).encode() for number in range(1200)}
        store.set(values, LONG)

        assert store.get(list(values)) == values
        assert store.delete([*values, "another"]) == len(values)
        assert store.get(list(values)) == {}

    # Keys

    @pytest.mark.parametrize("keys", ALIKE.values(), ids=ALIKE.keys())
    def test_keys_that_are_similar_are_different_keys(self, store: Store, keys: Sequence[str]) -> None:
        one, other = keys
        store.set({one: b"one"}, LONG)
        assert store.get([other]) == {}

        assert store.add(other, b"other", LONG)
        assert store.get(keys) == {one: b"one", other: b"other"}
        assert store.delete([one]) == 1
        assert store.get(keys) == {other: b"other"}

    @pytest.mark.parametrize("key", ["", " ", "🚀", "nul \0", "line\nbreak", "\ud800", "{b}:%", "k" * 5000])
    def test_any_text_is_a_key(self, store: Store, key: str) -> None:
        assert store.add(key, b"value", LONG)
        assert not store.add(key, b"other", LONG)
        assert store.get([key]) == {key: b"value"}
        assert store.delete([key]) == 1
        assert store.increment(key, 2, LONG) == 2

    def test_long_keys_are_told_apart_to_their_last_character(self, store: Store) -> None:
        values = {end.rjust(length, "k"): end.encode() for end in "ab" for length in (255, 300, 100_000)}
        store.set(values, LONG)

        assert store.get(list(values)) == values

    def test_stores_of_other_names_have_other_keys(self, name: str) -> None:
        stores = [self.make_store(f"{name}{end}") for end in ("", " ", ":a", ":", "A", "a")]
        for number, store in enumerate(stores):
            for key in ("a:b", "b", ":b"):
                assert store.add(key, b"%d" % number, LONG)

        for number, store in enumerate(stores):
            assert store.get(["a:b"]) == {"a:b": b"%d" % number}
        for store in stores:
            assert store.delete(["a:b", "b", ":b"]) == 3
            self.end_thread(store)

    # Time to live

    def test_a_value_is_absent_when_its_time_is_over(self, store: Store) -> None:
        store.set({"set": b"value", "other": b"value"}, SOON)
        assert store.add("added", b"value", SOON)
        assert store.increment("counter", 5, SOON) == 5
        store.set({"kept": b"value"}, LONG)

        keys = ["set", "other", "added", "counter", "kept"]
        until(lambda: store.get(keys) == {"kept": b"value"}, "all but one had expired")
        assert store.delete(keys) == 1

    def test_a_key_that_has_expired_can_be_added_again(self, store: Store) -> None:
        assert store.add("key", b"first", SOON)

        until(lambda: store.add("key", b"second", LONG), "it had expired")
        assert store.get(["key"]) == {"key": b"second"}
        assert not store.add("key", b"third", LONG)

    def test_a_counter_that_has_expired_starts_at_0_again(self, store: Store) -> None:
        store.increment("counter", 10_000, SOON)

        count = until(lambda: (now := store.increment("counter", 1, LONG)) < 10_000 and now, "it had expired")
        assert count == 1
        assert store.increment("counter", 1, SOON) == 2

    def test_counting_does_not_prolong_the_life_of_a_counter(self, store: Store) -> None:
        store.increment("counter", 10_000, 1.0)

        until(lambda: store.increment("counter", 1, LONG) < 10_000, "it had expired though it was counted up")

    def test_setting_again_sets_the_time_to_live(self, store: Store) -> None:
        store.set({"longer": b"value", "probe": b"value"}, SOON)
        store.set({"longer": b"value"}, LONG)
        store.set({"shorter": b"value"}, LONG)
        store.set({"shorter": b"value"}, SOON)

        until(lambda: not store.get(["probe", "shorter"]), "both had expired")
        assert store.get(["longer"]) == {"longer": b"value"}

    def test_an_add_that_failed_changes_neither_value_nor_time_to_live(self, store: Store) -> None:
        def both() -> bool:
            store.delete(["key"])
            return store.add("key", b"first", SOON) and not store.add("key", b"second", LONG)

        until(both, "the second came while the first lived")
        until(lambda: not store.get(["key"]), "it had expired")

    def test_what_has_expired_is_removed_in_small_parts_and_nothing_else(self, store: Store) -> None:
        keys = [str(number) for number in range(5)]
        store.set(dict.fromkeys(keys, b"value"), SOON)
        store.set({"kept": b"value"}, LONG)
        until(lambda: not store.get(keys), "they had expired")

        removed = list(iter(lambda: store.remove_expired(2), 0))

        # What other tests left in the same table may expire at any moment: it is counted as well.
        assert not removed or (max(removed) <= 2 and sum(removed) >= len(keys)), (
            "all or, where it expires by itself, nothing"
        )
        assert store.get(["kept"]) == {"kept": b"value"}

    # Counters

    def test_a_counter_starts_at_0_and_goes_both_ways(self, store: Store) -> None:
        assert store.increment("counter", 1, LONG) == 1
        assert store.increment("counter", 41, LONG) == 42
        assert store.increment("counter", -40, LONG) == 2
        assert store.increment("counter", 0, LONG) == 2
        assert store.get(["counter"]) == {"counter": b"2"}
        assert store.delete(["counter"]) == 1
        assert store.increment("counter", 7, LONG) == 7

    def test_a_counter_may_be_negative(self, store: Store) -> None:
        assert store.increment("counter", -3, LONG) == -3
        assert store.increment("counter", -3, LONG) == -6
        assert store.get(["counter"]) == {"counter": b"-6"}

    def test_a_counter_is_exact_to_its_last_digit_and_refuses_what_does_not_fit(self, store: Store) -> None:
        assert store.increment("counter", LAST - 1, LONG) == LAST - 1
        assert store.increment("counter", 1, LONG) == LAST
        if self.counts_to_64_bits:
            with pytest.raises(BackendError):
                store.increment("counter", 1, LONG)
            assert store.get(["counter"]) == {"counter": str(LAST).encode()}

    def test_a_value_that_is_no_counter_is_not_counted(self, store: Store) -> None:
        store.set({"key": b"value"}, LONG)

        with pytest.raises(BackendError):
            store.increment("key", 1, LONG)
        assert store.get(["key"]) == {"key": b"value"}

    # Many at once

    def test_of_many_that_add_one_key_one_succeeds(self, store: Store, name: str) -> None:
        store.add("expired", b"", SOON)
        until(lambda: not store.get(["expired"]), "it had expired")

        def add(number: int) -> tuple[bool, bool]:
            own = self.make_store(name)
            try:
                return own.add("key", b"%d" % number, LONG), own.add("expired", b"%d" % number, LONG)
            finally:
                self.end_thread(own)

        added = all_at_once(add)
        for one, key in zip(zip(*added, strict=True), ("key", "expired"), strict=True):
            assert sorted(one) == [False] * (THREADS - 1) + [True]
            assert store.get([key]) == {key: b"%d" % one.index(True)}

    def test_no_count_of_many_callers_is_lost_and_none_is_given_twice(self, store: Store, name: str) -> None:
        def count(_: int) -> list[int]:
            own = self.make_store(name)
            try:
                return [own.increment("counter", 1, LONG) for _ in range(20)]
            finally:
                self.end_thread(own)

        counts = [number for one in all_at_once(count) for number in one]
        assert sorted(counts) == list(range(1, 20 * THREADS + 1))

    def test_many_that_set_the_same_keys_in_any_order_all_succeed(self, store: Store, name: str) -> None:
        keys = [str(number) for number in range(50)]

        def write(number: int) -> None:
            own = self.make_store(name)
            try:
                for _ in range(5):
                    own.set(dict.fromkeys(keys[:: 1 if number % 2 else -1], b"%d" % number), LONG)
            finally:
                self.end_thread(own)

        all_at_once(write)
        assert store.get(keys).keys() == set(keys)

    # What is refused

    @pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan, 1e12, None, "60", True])
    def test_what_is_no_time_to_live_is_refused(self, store: Store, ttl: Any) -> None:
        for act in (
            lambda: store.set({"key": b"value"}, ttl),
            lambda: store.add("key", b"value", ttl),
            lambda: store.increment("key", 1, ttl),
        ):
            with pytest.raises(NotStorable, match="seconds"):
                act()
        assert store.get(["key"]) == {}

    @pytest.mark.parametrize("value", ["text", 5, None, b"x" * (LARGEST + 1)], ids=type)
    def test_what_is_no_value_is_refused_and_none_of_its_neighbours_is_set(
        self, store: Store, value: Any
    ) -> None:
        with pytest.raises(NotStorable, match="bytes"):
            store.set({"neighbour": b"value", "key": value}, LONG)
        with pytest.raises(NotStorable, match="bytes"):
            store.add("key", value, LONG)
        assert store.get(["key", "neighbour"]) == {}

    def test_what_is_no_key_and_no_number_is_refused(self, store: Store) -> None:
        wrong: Any = 5
        for act in (
            lambda: store.get([wrong]),
            lambda: store.get("key"),
            lambda: store.delete("key"),
            lambda: store.add(wrong, b"value", LONG),
            lambda: store.increment("key", 1.5, LONG),  # type: ignore[arg-type]
            lambda: store.increment("key", LAST + 1, LONG),
        ):
            with pytest.raises(NotStorable):
                act()

    def test_an_unreachable_server_is_an_outage(self) -> None:
        store: Store = self.make_unreachable_store()

        acts: list[Callable[[], object]] = [
            lambda: store.get(["key"]),
            lambda: store.set({"key": b"value"}, LONG),
            lambda: store.add("key", b"value", LONG),
            lambda: store.increment("key", 1, LONG),
            lambda: store.delete(["key"]),
        ]
        for act in acts:
            with pytest.raises(BackendUnavailable):
                act()
