from django.contrib.auth.models import User

from djutils.queue import queue_command


@queue_command
def send_welcome(user_id):
    user = User.objects.get(pk=user_id)
    user.email_user("Welcome", f"Nice to have you here, {user.username}.")
