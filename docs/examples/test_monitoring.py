from importlib import import_module

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from djutils.queue import queue_command

sentry_sdk = pytest.importorskip("sentry_sdk")
pytest.importorskip("prometheus_client")


@queue_command(max_attempts=2)
def fail():
    raise ValueError("no such address")


@queue_command(queue_name="shop")
def send(subject):
    mail.mail_admins(subject, "")


@pytest.fixture
def events():
    found = []
    sentry_sdk.init("https://key@sentry.invalid/1", before_send=lambda event, hint: found.append(event))
    import_module("shop.sentry")
    yield found
    sentry_sdk.init()


def test_sentry_hears_of_the_retry_and_of_the_dead_letter_with_the_name_of_the_command(db, events, drain):
    result = fail()

    with pytest.raises(ValueError, match="no such address"):
        drain(retries=True)

    retried, died = events
    for event in events:
        assert event["tags"]["command"] == result.command
        assert event["contexts"]["message"]["id"] == result.id
    assert retried["exception"]["values"][-1]["value"] == "no such address"
    assert died["exception"]["values"][-1]["type"] == "ValueError"
    assert died["logger"] == "djutils.queue.executor"
    assert "command" not in sentry_sdk.get_isolation_scope()._tags


def test_prometheus_sees_what_waits_if_it_has_the_token(db, rf, settings, drain):
    settings.METRICS_TOKEN = "long and random"
    metrics = import_module("shop.metrics").metrics
    allowed = rf.get("/metrics", headers={"authorization": "Bearer long and random"})
    send("one")
    send("two")
    before = metrics(allowed).content.decode()

    drain()

    after = metrics(allowed).content.decode()
    assert 'djutils_queue_messages{queue="shop",state="ready"} 2.0' in before
    assert 'djutils_queue_messages{queue="shop",state="ready"} 0.0' in after
    assert after.count("# TYPE djutils_queue_messages gauge") == 1
    for headers in ({}, {"authorization": "Bearer something else"}):
        with pytest.raises(PermissionDenied):
            metrics(rf.get("/metrics", headers=headers))
