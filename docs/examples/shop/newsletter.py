from django.contrib.auth.models import User

from djutils.queue import Drop, current_message, queue_command, track


@queue_command(result=True)
def send_newsletter(subject, text):
    message = current_message()
    for user in track(User.objects.order_by("pk")):
        if message and message.cancelled:
            raise Drop(f"It ended before {user.username}.")
        user.email_user(subject, text)
