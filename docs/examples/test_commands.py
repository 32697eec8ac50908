# ruff: noqa: PT009  (as Django's own documentation writes its tests)
from django.contrib.auth.models import User
from django.core import mail
from django.test import RequestFactory, TestCase, override_settings
from shop.commands import send_welcome
from shop.views import sign_up

from djutils.queue.queue import invoker


class WelcomeTests(TestCase):
    def setUp(self):
        self.user = User.objects.create_user("ada", "ada@example.com")

    def test_the_mail_itself(self):
        send_welcome.call(self.user.pk)

        self.assertEqual(mail.outbox[0].to, ["ada@example.com"])

    @override_settings(QUEUE_EAGER=True)
    def test_the_view_that_calls_it(self):
        sign_up(RequestFactory().post("/", {"name": "grace", "email": "grace@example.com"}))

        self.assertEqual(mail.outbox[0].to, ["grace@example.com"])

    @override_settings(QUEUE_BACKEND="djutils.queue.backends.memory.MemoryQueue")
    def test_that_it_is_enqueued_and_not_run(self):
        with self.captureOnCommitCallbacks(execute=True):
            send_welcome(self.user.pk)

        self.assertEqual((len(invoker), mail.outbox), (1, []))
        handle = invoker.dequeue()  # runs it
        self.assertEqual(handle.command, "shop.commands.send_welcome")
        self.assertEqual(len(mail.outbox), 1)
