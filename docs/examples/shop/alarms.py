from django.core.mail import send_mail

from djutils.queue import queue_command


@queue_command(at_most_once=True, result=True)
def sound_alarm(reason, addresses):
    return send_mail("Alarm", reason, None, addresses)
