from django.contrib.auth.models import User

from djutils.queue import progress, queue_command, track


@queue_command(result=True)
def import_users(rows):
    for name, email in track(rows, note="users"):
        User.objects.get_or_create(username=name, defaults={"email": email})


@queue_command(result=True)
def import_and_greet(rows):
    with progress(2 * len(rows), "users") as bar:
        for name, email in rows:
            User.objects.get_or_create(username=name, defaults={"email": email})
            bar.advance()
        for user in User.objects.filter(username__in=[name for name, _ in rows]):
            user.email_user("Welcome", f"Nice to have you here, {user.username}.")
            bar.advance(note=f"mail to {user.username}")
