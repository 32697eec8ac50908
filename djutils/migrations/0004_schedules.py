from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("djutils", "0003_exact_names")]

    operations = [
        migrations.CreateModel(
            name="QueueSchedule",
            fields=[],
            options={
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
                "permissions": [
                    ("switch_queueschedule", "Can switch a schedule on and off"),
                    ("run_queueschedule", "Can run a schedule now"),
                ],
                "default_permissions": ("view",),
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("djutils.queuekey",),
        ),
    ]
