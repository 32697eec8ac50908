from django.dispatch import receiver
from django.http import HttpResponse
from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

from djutils.queue.queue import queues
from djutils.queue.signals import command_died, command_retried, command_succeeded

ENDED = Counter("commands", "Runs that ended", ["command", "outcome"])
OUTCOMES = {command_succeeded: "succeeded", command_retried: "retried", command_died: "died"}


@receiver(list(OUTCOMES))
def count(sender, message, signal, **kwargs):
    ENDED.labels(message.command, OUTCOMES[signal]).inc()


class Messages:
    def collect(self):
        family = GaugeMetricFamily("queue_messages", "Messages", labels=["queue", "state"])
        for name in ["shop"]:  # your queues
            for state, number in queues[name].stats()._asdict().items():
                family.add_metric([name, state], number)
        yield family


def metrics(request):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    registry.register(Messages())
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4")
