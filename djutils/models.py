"""The tables of DatabaseQueue. They store bytes and counters; this module does not know what the bytes mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class State(models.IntegerChoices):
    """The state of a message. Messages that are done are deleted."""

    READY = 0, _("ready")
    DELAYED = 1, _("delayed")
    LEASED = 2, _("leased")
    DEAD = 3, _("dead")
    WAITING = 4, _("waiting in a lane")


class LaneState(models.IntegerChoices):
    """What a message is to its lane."""

    WAITING = 0, _("waiting")
    ADMITTED = 1, _("admitted")
    LATER = 2, _("waiting from a moment on")
    DEAD = 3, _("dead")


class NameField(models.CharField):  # type: ignore[type-arg]  # not generic at run time
    """Names that compare character by character on every database: ``slow``, ``Slow`` and ``slow `` differ.

    MariaDB and MySQL compare according to the collation, by default ignoring case, accents
    and trailing spaces. PostgreSQL and SQLite compare exactly by default.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        exact = _collation(connection, mariadb="utf8mb4_nopad_bin", mysql="utf8mb4_0900_bin")
        return {**super().db_parameters(connection), "collation": exact}


class UnicodeTextField(models.TextField):  # type: ignore[type-arg]  # not generic at run time
    """Text that can store every character, even where the rest of a MariaDB or MySQL database cannot."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        every = _collation(connection, mariadb="utf8mb4_unicode_ci", mysql="utf8mb4_unicode_ci")
        return {**super().db_parameters(connection), "collation": every}


def _collation(connection: BaseDatabaseWrapper, *, mariadb: str, mysql: str) -> str | None:
    if connection.vendor != "mysql":
        return None
    return mariadb if connection.mysql_is_mariadb else mysql  # type: ignore[attr-defined]


class Now(models.Func):
    """Milliseconds since the epoch by the database's clock: what ``due``, ``died`` and ``expires`` count."""

    output_field = models.BigIntegerField()
    sql: ClassVar[dict[str, str]] = {
        "postgresql": "(EXTRACT(EPOCH FROM statement_timestamp()) * 1000)::bigint",
        "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
        "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
    }

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **kwargs: Any
    ) -> tuple[str, tuple[Any, ...]]:
        return self.sql[connection.vendor], ()


class QueueMessage(models.Model):
    """One message; ``id`` gives the order of arrival."""

    id = models.BigAutoField(primary_key=True)
    message_id = NameField(_("message id"), max_length=32)
    queue = NameField(_("queue"), max_length=200)
    state = models.SmallIntegerField(_("state"), choices=State.choices, db_default=State.READY)
    # Ascending like the other columns of the index: not every database has descending indexes.
    rank = models.SmallIntegerField(_("rank"), db_column="prio_rank", db_default=0)
    due = models.BigIntegerField(_("due"), null=True)
    died = models.BigIntegerField(_("died"), null=True)
    owner = models.BigIntegerField(_("owner"), null=True)
    attempts = models.IntegerField(_("attempts"), db_default=0)
    crashes = models.IntegerField(_("crashes"), db_default=0)
    redeliveries = models.IntegerField(_("redeliveries"), db_default=0)
    offers = models.IntegerField(_("offers"), db_default=0)
    message = models.BinaryField(_("message"))
    error = UnicodeTextField(_("error"), null=True)

    class Meta:
        verbose_name = _("queue message")
        verbose_name_plural = _("queue messages")
        # Each index starts with the queried columns, so that no queue pays for the messages of another. MariaDB
        # and MySQL create the first two as full indexes, which costs every insert. There the first one also finds
        # leased and dead messages, by queue and state, so the other two are left out.
        indexes = [
            models.Index(
                fields=["queue", "state", "rank", "id"],
                name="djutils_claim",
                condition=Q(state=State.READY),
            ),
            models.Index(
                fields=["queue", "state", "due"], name="djutils_delayed", condition=Q(state=State.DELAYED)
            ),
            models.Index(fields=["owner"], name="djutils_owner", condition=Q(state=State.LEASED)),
            models.Index(fields=["queue", "died", "id"], name="djutils_dead", condition=Q(state=State.DEAD)),
        ]
        # Not unique=True: on PostgreSQL Django would add a second index for LIKE, at a cost for every claim.
        constraints = [models.UniqueConstraint(fields=["message_id"], name="djutils_message_id")]

    def __str__(self) -> str:
        return str(self.message_id)

    @property
    def died_at(self) -> datetime | None:
        """When it became a dead letter; None if it is not one, or if a datetime cannot represent the moment."""
        try:
            return None if self.died is None else datetime.fromtimestamp(self.died / 1000, UTC)
        except (
            OverflowError,
            ValueError,
            OSError,
            TypeError,
        ):  # another program may have written anything there
            return None


class QueueDeadLetter(QueueMessage):
    """The messages that will not be retried."""

    class Meta:
        proxy = True
        permissions = [("replay_queuedeadletter", _("Can replay a dead letter"))]
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")


class QueueWorker(models.Model):
    """One owner: the lifetime of one worker process, on one queue."""

    owner = models.BigIntegerField(primary_key=True)
    queue = NameField(_("queue"), max_length=200)
    beats = models.BigIntegerField(_("beats"), db_default=0)

    class Meta:
        verbose_name = _("queue worker")
        verbose_name_plural = _("queue workers")

    def __str__(self) -> str:
        return f"{self.owner:x}"


class QueueLane(models.Model):
    """A lane: its rule, the clocks of its pace, and the row that is locked while messages are admitted.

    How many are admitted is not recorded here: it is counted.
    """

    id = models.BigAutoField(primary_key=True)
    queue = NameField(_("queue"), max_length=200)
    name = NameField(_("name"), max_length=120)
    width = models.IntegerField(_("width"))
    pace = models.BigIntegerField(_("pace"), db_default=0)
    burst = models.IntegerField(_("burst"), db_default=1)
    admitted = models.BigIntegerField(_("admitted"), db_default=0)
    started = models.BigIntegerField(_("started"), db_default=0)
    opens = models.BigIntegerField(_("opens"), null=True)

    class Meta:
        verbose_name = _("queue lane")
        verbose_name_plural = _("queue lanes")
        indexes = [
            models.Index(
                fields=["queue", "opens"], name="djutils_lane_opens", condition=Q(opens__isnull=False)
            )
        ]
        constraints = [models.UniqueConstraint(fields=["queue", "name"], name="djutils_lane_name")]

    def __str__(self) -> str:
        return str(self.name)


class QueueLaneMessage(models.Model):
    """A message that is in a lane; ``id`` gives the order of arrival, and the rule is that of its sender.

    Beside the table of messages, so that a message without a lane costs what it did.
    """

    id = models.BigAutoField(primary_key=True)
    message_id = NameField(_("message id"), max_length=32)
    queue = NameField(_("queue"), max_length=200)
    lane = NameField(_("lane"), max_length=120)
    state = models.SmallIntegerField(_("state"), choices=LaneState.choices, db_default=LaneState.WAITING)
    rank = models.SmallIntegerField(_("rank"), db_column="prio_rank", db_default=0)
    width = models.IntegerField(_("width"))
    pace = models.BigIntegerField(_("pace"), db_default=0)
    burst = models.IntegerField(_("burst"), db_default=1)
    ordered = models.SmallIntegerField(_("ordered"), db_default=0)
    due = models.BigIntegerField(_("due"), null=True)

    class Meta:
        verbose_name = _("queue message in a lane")
        verbose_name_plural = _("queue messages in lanes")
        indexes = [
            models.Index(fields=["queue", "state", "lane", "rank", "id"], name="djutils_lane_order"),
            models.Index(
                fields=["queue", "due"], name="djutils_lane_due", condition=Q(state=LaneState.LATER)
            ),
        ]
        constraints = [models.UniqueConstraint(fields=["message_id"], name="djutils_lane_message")]

    def __str__(self) -> str:
        return str(self.message_id)


class QueueKey(models.Model):
    """A value in a store, which counts until it expires; also a key that was used with ``send_once``."""

    key = NameField(_("key"), max_length=255, primary_key=True)
    value = models.BinaryField(_("value"))
    expires = models.BigIntegerField(_("expires"))

    class Meta:
        verbose_name = _("queue key")
        verbose_name_plural = _("queue keys")
        indexes = [models.Index(fields=["expires"], name="djutils_expires")]

    def __str__(self) -> str:
        return str(self.key)


class QueueCommandFigure(QueueKey):
    """The figures of commands, for their page in the admin and its permission: a store keeps the counters."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("command")
        verbose_name_plural = _("commands")


class QueueConsumer(QueueWorker):
    """The worker processes of all consumers, for their page in the admin and its permission."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("consumer")
        verbose_name_plural = _("consumers")


class QueueSchedule(QueueKey):
    """The schedules, for their page in the admin and its permissions: a store keeps what is known of each."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        permissions = [
            ("switch_queueschedule", _("Can switch a schedule on and off")),
            ("run_queueschedule", _("Can run a schedule now")),
        ]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
