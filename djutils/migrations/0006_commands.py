from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("djutils", "0005_lanes")]

    operations = [
        migrations.CreateModel(
            name="QueueCommandFigure",
            fields=[],
            options={
                "verbose_name": "command",
                "verbose_name_plural": "commands",
                "default_permissions": ("view",),
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("djutils.queuekey",),
        ),
        migrations.CreateModel(
            name="QueueConsumer",
            fields=[],
            options={
                "verbose_name": "consumer",
                "verbose_name_plural": "consumers",
                "default_permissions": ("view",),
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("djutils.queueworker",),
        ),
    ]
