import pytest
from django.contrib.auth.models import User
from shop.receipts import send_receipt

from djutils.testing import assert_enqueued

pytestmark = pytest.mark.django_db


def test_the_receipt_goes_to_the_address_of_today(drain, mailoutbox):
    user = User.objects.create_user("ada", "ada@example.com")
    send_receipt(user, 7)
    assert_enqueued(send_receipt, user, 7)

    User.objects.filter(pk=user.pk).update(email="lovelace@example.com")
    drain()

    assert [message.to for message in mailoutbox] == [["lovelace@example.com"]]


def test_a_user_who_is_gone_gets_none(drain, mailoutbox):
    user = User.objects.create_user("ada", "ada@example.com")
    send_receipt(user, 7)

    User.objects.all().delete()
    drain()

    assert mailoutbox == []
