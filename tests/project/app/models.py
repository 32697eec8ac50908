"""What commands leave behind, to be counted by tests."""

from __future__ import annotations

import os

from django.db import models


class Note(models.Model):
    """One line written by one run of a command.

    The app has no migrations: ``migrate --run-syncdb`` makes its table.
    """

    text = models.CharField(max_length=200, db_index=True)
    pid = models.IntegerField(default=os.getpid)
    written = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.text
