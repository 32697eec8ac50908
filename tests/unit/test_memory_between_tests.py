"""A MemoryQueue is empty at the start of each test, in the test classes of Django."""

from __future__ import annotations

import unittest

import pytest
from django.core import mail
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.queue import Invoker, invoker

from .commands_for_tests import Greeting, record


@pytest.mark.parametrize("base", [SimpleTestCase, TransactionTestCase, TestCase])
def test_no_test_of_a_class_finds_what_another_one_left(
    memory: MemoryQueue, sqlite_alias: str, base: type[SimpleTestCase]
) -> None:
    found: list[tuple[int, int]] = []
    other = MemoryQueue(f"unit.{new_id()}")

    def leave_something(case: SimpleTestCase) -> None:
        found.append((len(invoker), len(other)))
        record("x")
        record.using(priority=3)("y")
        Invoker(other).enqueue(Greeting("z"))
        owner = 7
        memory.enroll(owner)
        memory.receive(owner, 1)

    members = {f"test_{number}": leave_something for number in range(3)}
    # Its own setUp need not call another one.
    case = type("Users", (base,), {"setUp": lambda case: None, "__module__": __name__, **members})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert (result.testsRun, result.errors, result.failures) == (3, [], [])
    assert found[1:] == [(0, 0), (0, 0)]
    assert memory.stats().leased == 1


@pytest.mark.parametrize("base", [SimpleTestCase, TestCase])
def test_no_test_of_a_class_finds_what_another_one_kept_in_a_store(
    sqlite_alias: str, base: type[SimpleTestCase]
) -> None:
    queue = MemoryQueue(f"unit.{new_id()}")
    found: list[bool] = []

    def keep_something(case: SimpleTestCase) -> None:
        found.append(queue.store.add("key", b"value", 60.0))

    members = {f"test_{number}": keep_something for number in range(3)}
    case = type("Users", (base,), {"__module__": __name__, **members})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert (result.testsRun, result.errors, result.failures) == (3, [], [])
    assert found == [True] * 3


def test_an_outbox_that_a_test_empties_takes_no_message_with_it(memory: MemoryQueue) -> None:
    record("x")
    mail.outbox = []
    assert len(memory) == 1
