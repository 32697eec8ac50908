from datetime import timedelta

from django.contrib.auth.models import User

from djutils.queue import queue_command


@queue_command(result=True, result_ttl=timedelta(days=7))
def export_addresses(domain):
    users = User.objects.filter(email__endswith=f"@{domain}")
    return sorted(users.values_list("email", flat=True))
