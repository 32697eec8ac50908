"""Names compare exactly on every database, and every statement has its own index.

No row is lost either way. PostgreSQL builds the indexes while the queue is in use. MariaDB and MySQL
copy each table once, and writers wait for it; so do writers of SQLite, for the time of an index.
"""

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState, StateApps

import djutils.models

_ANY_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"


class AddIndexInUse(migrations.AddIndex):
    """Add an index without locking out writers where the database can; ``partial`` ones not in full."""

    def __init__(self, model_name: str, index: models.Index, *, partial: bool = False) -> None:
        super().__init__(model_name, index)
        self.partial = partial

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self._is_here(schema_editor, model):
            online, connection = _online(schema_editor), schema_editor.connection
            with connection.cursor() as cursor:
                there = connection.introspection.get_constraints(cursor, model._meta.db_table)
            if self.index.name in there:  # of an attempt that was interrupted; it may be half an index
                schema_editor.remove_index(model, self.index, **online)
            schema_editor.add_index(model, self.index, **online)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self._is_here(schema_editor, model):
            schema_editor.remove_index(model, self.index, **_online(schema_editor))

    def _is_here(self, schema_editor: Any, model: type[models.Model]) -> bool:
        connection = schema_editor.connection
        in_full = not connection.features.supports_partial_indexes
        return not (self.partial and in_full) and self.allow_migrate_model(connection.alias, model)


def _online(schema_editor: Any) -> dict[str, bool]:
    connection = schema_editor.connection
    return (
        {"concurrently": True} if connection.vendor == "postgresql" and not connection.in_atomic_block else {}
    )


def compare_exactly(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection: Any = schema_editor.connection
    if connection.vendor == "mysql":
        exact = "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
        _modify(schema_editor, f"CHARACTER SET utf8mb4 COLLATE {exact}", _ANY_TEXT)


def compare_as_before(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "mysql":
        _modify(schema_editor, "", "")


def _modify(schema_editor: BaseDatabaseSchemaEditor, name: str, text: str) -> None:
    message = f"MODIFY message_id varchar(32) {name} NOT NULL, MODIFY queue varchar(200) {name} NOT NULL"
    schema_editor.execute(f"ALTER TABLE djutils_queuemessage {message}, MODIFY error longtext {text} NULL")
    schema_editor.execute(f"ALTER TABLE djutils_queueworker MODIFY queue varchar(200) {name} NOT NULL")
    schema_editor.execute(f"ALTER TABLE djutils_queuekey MODIFY `key` varchar(255) {name} NOT NULL")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("djutils", "0002_offers")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(compare_exactly, compare_as_before)],
            state_operations=[
                migrations.AlterField(
                    "queuemessage",
                    "message_id",
                    djutils.models.NameField(max_length=32, verbose_name="message id"),
                ),
                migrations.AlterField(
                    "queuemessage",
                    "queue",
                    djutils.models.NameField(max_length=200, verbose_name="queue"),
                ),
                migrations.AlterField(
                    "queuemessage",
                    "error",
                    djutils.models.UnicodeTextField(null=True, verbose_name="error"),
                ),
                migrations.AlterField(
                    "queueworker",
                    "queue",
                    djutils.models.NameField(max_length=200, verbose_name="queue"),
                ),
                migrations.AlterField(
                    "queuekey",
                    "key",
                    djutils.models.NameField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="key"
                    ),
                ),
            ],
        ),
        # Under another name, so that the old one serves until this one is there.
        AddIndexInUse(
            "queuemessage",
            models.Index(
                fields=["queue", "state", "due"], name="djutils_delayed", condition=models.Q(("state", 1))
            ),
        ),
        AddIndexInUse(
            "queuemessage",
            models.Index(fields=["owner"], name="djutils_owner", condition=models.Q(("state", 2))),
            partial=True,
        ),
        AddIndexInUse(
            "queuemessage",
            models.Index(
                fields=["queue", "died", "id"], name="djutils_dead", condition=models.Q(("state", 3))
            ),
            partial=True,
        ),
        AddIndexInUse("queuekey", models.Index(fields=["expires"], name="djutils_expires")),
        migrations.RemoveIndex("queuemessage", "djutils_due"),
    ]
