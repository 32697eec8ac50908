from django.db import migrations, models

import djutils.models


class Migration(migrations.Migration):
    dependencies = [
        ("djutils", "0004_schedules"),
    ]

    operations = [
        migrations.AlterField(
            model_name="queuemessage",
            name="state",
            field=models.SmallIntegerField(
                choices=[(0, "ready"), (1, "delayed"), (2, "leased"), (3, "dead"), (4, "waiting in a lane")],
                db_default=0,
                verbose_name="state",
            ),
        ),
        migrations.CreateModel(
            name="QueueLane",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("queue", djutils.models.NameField(max_length=200, verbose_name="queue")),
                ("name", djutils.models.NameField(max_length=120, verbose_name="name")),
                ("width", models.IntegerField(verbose_name="width")),
                ("pace", models.BigIntegerField(db_default=0, verbose_name="pace")),
                ("burst", models.IntegerField(db_default=1, verbose_name="burst")),
                ("admitted", models.BigIntegerField(db_default=0, verbose_name="admitted")),
                ("started", models.BigIntegerField(db_default=0, verbose_name="started")),
                ("opens", models.BigIntegerField(null=True, verbose_name="opens")),
            ],
            options={
                "verbose_name": "queue lane",
                "verbose_name_plural": "queue lanes",
                "indexes": [
                    models.Index(
                        condition=models.Q(("opens__isnull", False)),
                        fields=["queue", "opens"],
                        name="djutils_lane_opens",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("queue", "name"), name="djutils_lane_name")],
            },
        ),
        migrations.CreateModel(
            name="QueueLaneMessage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("message_id", djutils.models.NameField(max_length=32, verbose_name="message id")),
                ("queue", djutils.models.NameField(max_length=200, verbose_name="queue")),
                ("lane", djutils.models.NameField(max_length=120, verbose_name="lane")),
                (
                    "state",
                    models.SmallIntegerField(
                        choices=[
                            (0, "waiting"),
                            (1, "admitted"),
                            (2, "waiting from a moment on"),
                            (3, "dead"),
                        ],
                        db_default=0,
                        verbose_name="state",
                    ),
                ),
                ("rank", models.SmallIntegerField(db_column="prio_rank", db_default=0, verbose_name="rank")),
                ("width", models.IntegerField(verbose_name="width")),
                ("pace", models.BigIntegerField(db_default=0, verbose_name="pace")),
                ("burst", models.IntegerField(db_default=1, verbose_name="burst")),
                ("ordered", models.SmallIntegerField(db_default=0, verbose_name="ordered")),
                ("due", models.BigIntegerField(null=True, verbose_name="due")),
            ],
            options={
                "verbose_name": "queue message in a lane",
                "verbose_name_plural": "queue messages in lanes",
                "indexes": [
                    models.Index(fields=["queue", "state", "lane", "rank", "id"], name="djutils_lane_order"),
                    models.Index(
                        condition=models.Q(("state", 2)), fields=["queue", "due"], name="djutils_lane_due"
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("message_id",), name="djutils_lane_message")],
            },
        ),
    ]
