import sentry_sdk
from django.dispatch import receiver

from djutils.queue.signals import command_retried, command_started


@receiver(command_started)
def tag(sender, message, **kwargs):
    scope = sentry_sdk.get_isolation_scope()
    scope.set_tag("command", message.command)
    scope.set_context("message", {"id": message.id, "queue": message.queue})


@receiver(command_retried)
def report(sender, exception, **kwargs):  # leave this one out if dead letters are enough
    sentry_sdk.capture_exception(exception)
