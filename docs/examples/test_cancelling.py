import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from shop.newsletter import send_newsletter
from shop.newsletter_views import cancel_newsletter

from djutils.queue import ResultStatus
from djutils.queue.exceptions import Cancelled

pytestmark = pytest.mark.django_db


@pytest.fixture
def newsletter():
    User.objects.create_user("ada", "ada@example.com")
    return send_newsletter("News", "There are some.")


def cancel(newsletter):
    request = RequestFactory().post("/newsletter/cancel/")
    request.session = {"newsletter": newsletter.id}
    return cancel_newsletter(request).content.decode()


def test_one_that_waits_is_not_sent(newsletter, drain, mailoutbox):
    assert cancel(newsletter) == "It will not be sent."
    drain()

    newsletter.refresh()
    assert newsletter.status == ResultStatus.CANCELLED
    with pytest.raises(Cancelled):
        newsletter.wait()
    assert mailoutbox == []


def test_one_that_was_sent_stays_sent(newsletter, drain, mailoutbox):
    drain()

    assert cancel(newsletter) == "It has been sent already."
    newsletter.refresh()
    assert newsletter.status == ResultStatus.SUCCESSFUL
    assert len(mailoutbox) == 1
