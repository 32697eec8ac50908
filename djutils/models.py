"""The tables of DatabaseQueue. They hold bytes and counters; what the bytes mean is not known here."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class State(models.IntegerChoices):
    """Where a message is in its life. Done ones are deleted."""

    READY = 0, _("ready")
    DELAYED = 1, _("delayed")
    LEASED = 2, _("leased")
    DEAD = 3, _("dead")


class QueueMessage(models.Model):
    """One message; ``id`` is the order of arrival."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.CharField(_("message id"), max_length=32)
    queue = models.CharField(_("queue"), max_length=200)
    state = models.SmallIntegerField(_("state"), choices=State.choices, db_default=State.READY)
    # Ascending like everything else in the index: not every database has descending indexes.
    rank = models.SmallIntegerField(_("rank"), db_column="prio_rank", db_default=0)
    due = models.BigIntegerField(_("due"), null=True)
    died = models.BigIntegerField(_("died"), null=True)
    owner = models.BigIntegerField(_("owner"), null=True)
    attempts = models.IntegerField(_("attempts"), db_default=0)
    crashes = models.IntegerField(_("crashes"), db_default=0)
    redeliveries = models.IntegerField(_("redeliveries"), db_default=0)
    offers = models.IntegerField(_("offers"), db_default=0)
    message = models.BinaryField(_("message"))
    error = models.TextField(_("error"), null=True)

    class Meta:
        verbose_name = _("queue message")
        verbose_name_plural = _("queue messages")
        # MySQL and MariaDB make full indexes of these; with the state inside they serve as well.
        indexes = [
            models.Index(
                fields=["queue", "state", "rank", "id"],
                name="djutils_claim",
                condition=Q(state=State.READY),
            ),
            models.Index(fields=["state", "due"], name="djutils_due", condition=Q(state=State.DELAYED)),
            # None by owner: every message would pay for what is asked when a worker has died.
        ]
        # Not unique=True: for that Django makes a second index on PostgreSQL, for LIKE, which every claim pays for.
        constraints = [models.UniqueConstraint(fields=["message_id"], name="djutils_message_id")]

    def __str__(self) -> str:
        return self.message_id

    @property
    def died_at(self) -> datetime | None:
        """When it became a dead letter."""
        return None if self.died is None else datetime.fromtimestamp(self.died / 1000, UTC)


class DeadLetter(QueueMessage):
    """The messages that will not be tried again."""

    class Meta:
        proxy = True
        permissions = [("replay_deadletter", _("Can replay a dead letter"))]
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")


class QueueWorker(models.Model):
    """One owner: a worker process in one life, on one queue."""

    owner = models.BigIntegerField(primary_key=True)
    queue = models.CharField(_("queue"), max_length=200)
    beats = models.BigIntegerField(_("beats"), db_default=0)

    class Meta:
        verbose_name = _("queue worker")
        verbose_name_plural = _("queue workers")

    def __str__(self) -> str:
        return f"{self.owner:x}"


class QueueKey(models.Model):
    """A key that ``send_once`` has seen."""

    key = models.CharField(_("key"), max_length=255, primary_key=True)
    used = models.BigIntegerField(_("used"))

    class Meta:
        verbose_name = _("queue key")
        verbose_name_plural = _("queue keys")

    def __str__(self) -> str:
        return self.key
