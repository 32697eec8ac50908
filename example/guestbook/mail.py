"""A mail server made of a folder, with a bad moment now and then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from smtplib import SMTPServerDisconnected

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

UNLUCKY = "@unlucky.example"
"""Whoever writes from here meets a mail server that is down, the first time."""


class FolderBackend(EmailBackend):
    """Django's filebased backend, which refuses the first mail about each unlucky visitor."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails into the folder; raises ``SMTPServerDisconnected`` on a bad moment."""
        for message in email_messages:
            if any(address.endswith(UNLUCKY) for address in message.reply_to):
                self._fail_once()
        return super().send_messages(email_messages) or 0

    def _fail_once(self) -> None:
        refused = Path(self.file_path) / ".refused-once"
        if not refused.exists():
            refused.touch()
            raise SMTPServerDisconnected("The mail server is down; it will be back in a moment.")
