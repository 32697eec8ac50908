from django.dispatch import receiver
from django.http import HttpResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

from djutils.queue.queue import queues
from djutils.queue.signals import command_died, command_retried, command_succeeded

ENDED = Counter("commands", "Runs that ended", ["command", "outcome"])


@receiver([command_succeeded, command_retried, command_died])
def count(sender, message, signal, **kwargs):
    outcomes = {command_succeeded: "succeeded", command_retried: "retried", command_died: "died"}
    ENDED.labels(message.command, outcomes[signal]).inc()


def metrics(request):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    waiting = Gauge("queue_messages", "Messages", ["queue", "state"], registry=registry)
    for name in ["shop"]:  # your queues
        for state, number in queues[name].stats()._asdict().items():
            waiting.labels(name, state).set(number)
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4")
