import pytest
from django.core import mail
from shop.alarms import sound_alarm

from djutils.queue import ResultStatus
from djutils.testing import crash

pytestmark = pytest.mark.django_db


def test_an_alarm_does_not_sound_twice(drain, mailoutbox):
    sound_alarm("Water in the cellar", ["ada@example.com"])
    with crash("after_run"):
        drain()
    drain()

    assert len(mailoutbox) == 1


def test_an_alarm_that_fails_is_not_retried(drain, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr(mail.backends.locmem.EmailBackend, "send_messages", refuse)
    result = sound_alarm("Water in the cellar", ["ada@example.com"])
    with pytest.raises(ConnectionRefusedError):
        drain()
    drain()

    result.refresh()
    assert result.status == ResultStatus.FAILED
