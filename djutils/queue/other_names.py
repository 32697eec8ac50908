"""The names that other queues use for the methods of a command function."""

from __future__ import annotations

_CALL = "'{0}(...)'"
_USING = "'{0}.using(run_after=timedelta(seconds=10), priority=5)(...)'"
_ASYNC = "'await {0}.acall(...)' in a coroutine"
_HERE = "'{0}.call(...)', which runs it here and now"
_MANY = "'invoker.enqueue_many({0}.command(item) for item in items)'"
_LATER = "'raise Retry(delay=60)' in the command itself, with 'from djutils.queue import Retry'"
_COMMIT = _CALL + ": inside transaction.atomic() it counts only if the transaction commits"

_WRITE = {
    _CALL: "defer delay enqueue perform_async send spawn submit",
    _USING: "apply_async configure delay_for enqueue_at enqueue_in options schedule send_with_options set",
    _ASYNC: "aapply_async adefer adelay aenqueue akiq asend async_defer defer_async enqueue_async kiq",
    _HERE: "acall_local apply call_local fn func original run run_now",
    _MANY: "batch_defer chunks enqueue_many group map starmap",
    _COMMIT: "apply_async_on_commit delay_on_commit on_commit send_on_commit",
    _LATER: "retry",
    "'{0}.command(...)', which is the call, not enqueued": "build message message_with_options s si signature",
}
_ADVICE = {name: write for write, names in _WRITE.items() for name in names.split()}


def what_to_write(function: str, attribute: str) -> str:
    """Return what to write instead of another queue's ``function.attribute``; '' for an unknown name."""
    advice = _ADVICE.get(attribute, "").format(function)
    return f"A command has no '{attribute}'. Write {advice}." if advice else ""
