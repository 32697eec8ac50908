from urllib.error import URLError

import pytest
from django.contrib.auth.models import User
from shop.avatars import fetch_avatar

from djutils.queue import invoker

pytestmark = pytest.mark.django_db


def test_of_a_user_who_is_gone_nothing_is_fetched(drain):
    fetch_avatar(4711, "http://localhost:9/ada.png")
    drain()
    assert invoker.queue.stats() == (0, 0, 0, 0, 0)


def test_a_server_that_is_down_is_asked_again(drain):
    ada = User.objects.create_user("ada")
    fetch_avatar(ada.pk, "http://localhost:9/ada.png")
    with pytest.raises(URLError):
        drain()
    assert invoker.queue.stats().delayed == 1


def test_an_address_that_is_none_is_a_dead_letter_at_once(drain):
    ada = User.objects.create_user("ada")
    fetch_avatar(ada.pk, "no address")
    with pytest.raises(ValueError, match="unknown url type"):
        drain()
    assert invoker.queue.stats().dead == 1
