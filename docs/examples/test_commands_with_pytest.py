from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from shop.commands import send_welcome
from shop.views import sign_up


@pytest.fixture
def user(db):
    return User.objects.create_user("grace", "grace@example.com")


def test_that_it_is_enqueued_and_not_run(db, rf, assert_enqueued, mailoutbox):
    sign_up(rf.post("/", {"name": "ada", "email": "ada@example.com"}))

    assert_enqueued(send_welcome, User.objects.get(username="ada").pk)
    assert mailoutbox == []


def test_a_mail_for_tomorrow(user, enqueued, drain, mailoutbox):
    send_welcome.using(run_after=timedelta(days=1))(user.pk)

    (call,) = enqueued()
    assert call.args == (user.pk,)
    assert call.due is not None

    drain()
    assert mailoutbox == []
    drain(delays=True)
    assert mailoutbox[0].to == ["grace@example.com"]
