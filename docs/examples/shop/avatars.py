from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from djutils.queue import queue_command


@queue_command(retry_on=URLError, discard_on=(HTTPError, User.DoesNotExist))
def fetch_avatar(user_id, url):
    user = User.objects.get(pk=user_id)
    with urlopen(url, timeout=10) as reply:
        default_storage.save(f"avatars/{user.pk}.png", reply)
