# ruff: noqa: PT009, PT027  (as Django's own documentation writes its tests)
from django.contrib.auth.models import User
from django.core import mail
from django.test import RequestFactory, TestCase, override_settings
from shop.commands import send_welcome
from shop.views import sign_up

from djutils.testing import QueueAssertions


class WelcomeTests(QueueAssertions, TestCase):
    def sign_up(self):
        sign_up(RequestFactory().post("/", {"name": "ada", "email": "ada@example.com"}))
        return User.objects.get(username="ada")

    def test_that_it_is_enqueued_and_not_run(self):
        user = self.sign_up()

        self.assert_enqueued(send_welcome, user.pk)
        self.assertEqual(mail.outbox, [])

    def test_the_mail_that_arrives_later(self):
        self.sign_up()

        self.drain()

        self.assertEqual(mail.outbox[0].to, ["ada@example.com"])
        self.assert_not_enqueued(send_welcome)

    def test_that_it_gives_up_when_the_user_is_gone(self):
        self.sign_up().delete()

        with self.assertRaises(User.DoesNotExist):
            self.drain(retries=True)

    def test_the_function_by_itself(self):
        user = User.objects.create_user("grace", "grace@example.com")

        send_welcome.call(user.pk)

        self.assertEqual(mail.outbox[0].to, ["grace@example.com"])

    @override_settings(QUEUE_EAGER=True)
    def test_the_view_with_everything_that_follows(self):
        self.sign_up()

        self.assertEqual(mail.outbox[0].to, ["ada@example.com"])
