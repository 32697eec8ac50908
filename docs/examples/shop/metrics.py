import secrets

from django.conf import settings
from django.core.exceptions import PermissionDenied

from djutils.contrib import prometheus


def metrics(request):
    given = request.headers.get("Authorization", "")
    if not secrets.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        raise PermissionDenied
    return prometheus.metrics(request)
