import json

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from shop.import_views import how_far
from shop.imports import import_and_greet, import_users

pytestmark = pytest.mark.django_db
ROWS = [("ada", "ada@example.com"), ("grace", "grace@example.com")]


def test_the_page_shows_how_far_it_is(drain):
    request = RequestFactory().get("/import/")
    request.session = {"import": import_users(ROWS).id}

    waiting = json.loads(how_far(request).content)
    drain()
    done = json.loads(how_far(request).content)

    assert waiting == {"status": "READY", "done": 0, "total": None, "note": ""}
    assert done == {"status": "SUCCESSFUL", "done": 2, "total": 2, "note": "users"}


def test_a_command_with_two_parts_counts_both(drain, mailoutbox):
    result = import_and_greet(ROWS)
    drain()
    result.refresh()

    assert (result.progress.done, result.progress.total) == (4, 4)
    assert len(mailoutbox) == 2


def test_a_function_that_is_called_by_itself_shows_it_to_no_one():
    import_users.call(ROWS)

    assert User.objects.count() == 2
