from datetime import timedelta

from django.core.mail import send_mail

from djutils.queue import queue_command


@queue_command(expires=timedelta(minutes=10))
def send_login_code(address, code):
    send_mail("Your code", code, None, [address])


@queue_command
def remind_of_meeting(title, address):
    send_mail("Your meeting", f"{title} begins within an hour.", None, [address])


def plan_reminder(title, begins, address):
    an_hour_before = begins - timedelta(hours=1)
    remind_of_meeting.using(run_after=an_hour_before, expires=begins)(title, address)
