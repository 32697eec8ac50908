import pytest
from django.contrib.auth.models import User
from django.http import Http404
from django.test import RequestFactory
from shop.export_views import begin_export, show_export
from shop.exports import export_addresses

from djutils.queue import ResultStatus, invoker
from djutils.queue.exceptions import NoReturnValue, ResultTimeout

pytestmark = pytest.mark.django_db


def test_a_visitor_sees_the_export_when_it_is_made(drain):
    User.objects.create_user("ada", "ada@example.com")
    request = RequestFactory().post("/export/", {"domain": "example.com"})
    request.session = {}

    begin_export(request)
    assert show_export(request).status_code == 202
    drain()

    assert show_export(request).content == b"ada@example.com"


def test_an_export_of_no_one_is_not_found():
    request = RequestFactory().get("/export/")
    request.session = {}

    with pytest.raises(Http404):
        show_export(request)


def test_what_a_handle_tells(drain):
    result = export_addresses("example.com")
    assert result.status == ResultStatus.READY
    with pytest.raises(NoReturnValue):
        _ = result.return_value
    with pytest.raises(ResultTimeout):
        result.wait(0.01)

    drain()

    assert result.wait() == []
    assert (result.attempts, result.errors) == (1, [])
    assert invoker.result(result.id).finished_at is not None
