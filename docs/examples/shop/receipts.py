import logging

from djutils.queue import queue_command

logger = logging.getLogger("shop")


@queue_command(models="fresh", on_missing="discard")
def send_receipt(user, total):
    logger.info("receipt for %s", user.email)
    user.email_user("Your receipt", f"You have paid {total}.")
