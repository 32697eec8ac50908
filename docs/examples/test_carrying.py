import logging

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import RequestFactory
from shop.receipts import send_receipt
from shop.request_ids import WithRequestId, middleware

pytestmark = pytest.mark.django_db


def test_the_log_line_of_the_command_has_the_id_of_the_request(drain, settings, caplog):
    settings.QUEUE_MIDDLEWARE = ["djutils.queue.middleware.carry.CarryContext"]
    settings.QUEUE_CARRY = ["shop.request_ids.request_id"]
    user = User.objects.create_user("ada", "ada@example.com")

    def buy(request):
        send_receipt(user, 7)
        return HttpResponse()

    middleware(buy)(RequestFactory().get("/buy/", headers={"X-Request-ID": "r-123"}))
    caplog.handler.addFilter(WithRequestId())
    with caplog.at_level(logging.INFO, "shop"):
        drain()

    assert [(line.getMessage(), line.request_id) for line in caplog.records if line.name == "shop"] == [
        ("receipt for ada@example.com", "r-123")
    ]
