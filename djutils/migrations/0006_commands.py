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
    ]
