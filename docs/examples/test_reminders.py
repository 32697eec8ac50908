from datetime import timedelta

import pytest
from django.utils import timezone
from shop.reminders import plan_reminder, send_login_code

pytestmark = pytest.mark.django_db


def test_a_code_that_is_too_late_is_not_sent(drain, mailoutbox):
    past = timezone.now() - timedelta(seconds=1)

    send_login_code.using(expires=past)("ada@example.com", "1815")
    send_login_code("grace@example.com", "1906")
    drain()

    assert [mail.to for mail in mailoutbox] == [["grace@example.com"]]


def test_of_a_meeting_that_has_begun_no_one_is_reminded(drain, mailoutbox):
    plan_reminder("Lunch", timezone.now() - timedelta(minutes=5), "ada@example.com")
    drain()
    assert mailoutbox == []
