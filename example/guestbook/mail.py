"""A mail server made of a folder, with two faults for the example to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from smtplib import SMTPDataError, SMTPException, SMTPServerDisconnected

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

UNLUCKY = "@unlucky.example"
"""The first mail about a visitor with such an address finds the mail server down: it is retried."""
BLOCKED = "@blocked.example"
"""The first mail about a visitor with such an address is refused: it becomes a dead letter, to be replayed."""


class FolderBackend(EmailBackend):
    """Django's filebased backend, which fails once for each unlucky or blocked visitor."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails into the folder; raises ``SMTPServerDisconnected`` or ``SMTPDataError`` on a fault."""
        for message in email_messages:
            for address in message.reply_to:
                self._fail_once(address)
        return super().send_messages(email_messages) or 0

    def _fail_once(self, address: str) -> None:
        failed = Path(self.file_path) / ".failed-once"
        if (error := _fault(address)) and not failed.exists():
            failed.touch()
            raise error


def _fault(address: str) -> SMTPException | None:
    if address.endswith(UNLUCKY):
        return SMTPServerDisconnected("The mail server is down; it will be back in a moment.")
    if address.endswith(BLOCKED):
        return SMTPDataError(554, "The reply address is on a blocklist.")
    return None
