"""The tests of Django that are left out, and why; every other one must pass."""

from __future__ import annotations

NAMES_ITS_CLASS = "asks for the class of Django's own backend"
READS_ITS_LIST = "reads the list in which the dummy backend keeps what was enqueued"
ONLY_IN_MEMORY = (
    "uses the database from a coroutine without await, which Django allows only what is in memory"
)
NO_RESULTS = "expects that results cannot be had; ours can"
NO_DELAYS = "expects that tasks cannot be delayed; ours can"
RAISES_AT_ONCE = (
    "expects that enqueue() raises a KeyboardInterrupt of the task; in a worker it is a failure like others"
)

_TASKS = "test_tasks.TaskTestCase"
_DUMMY = "test_dummy_backend.DummyBackendTestCase"
_IMMEDIATE = "test_immediate_backend.ImmediateBackendTestCase"

LEFT_OUT = {
    f"{_TASKS}.test_using_correct_backend": NAMES_ITS_CLASS,
    f"{_TASKS}.test_get_backend": NAMES_ITS_CLASS,
    f"{_TASKS}.test_enqueue_task": READS_ITS_LIST,
    f"{_TASKS}.test_enqueue_task_async": READS_ITS_LIST,
    f"{_TASKS}.test_refresh_result": ONLY_IN_MEMORY,
    f"{_DUMMY}.test_using_correct_backend": NAMES_ITS_CLASS,
    f"{_DUMMY}.test_enqueue_task": READS_ITS_LIST,
    f"{_DUMMY}.test_enqueue_task_async": READS_ITS_LIST,
    f"{_DUMMY}.test_refresh_result": READS_ITS_LIST,
    f"{_DUMMY}.test_refresh_result_async": READS_ITS_LIST,
    "test_dummy_backend.DummyBackendTransactionTestCase.test_doesnt_wait_until_transaction_commit_by_default": READS_ITS_LIST,
    f"{_IMMEDIATE}.test_using_correct_backend": NAMES_ITS_CLASS,
    f"{_IMMEDIATE}.test_cannot_get_result": NO_RESULTS,
    f"{_IMMEDIATE}.test_cannot_refresh_result": NO_RESULTS,
    f"{_IMMEDIATE}.test_cannot_pass_run_after": NO_DELAYS,
    f"{_IMMEDIATE}.test_throws_keyboard_interrupt": RAISES_AT_ONCE,
}
