from django.db import migrations, models

import guestbook.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("email", models.EmailField(max_length=254)),
                ("comment", models.TextField(max_length=1000)),
                ("photo", models.ImageField(upload_to=guestbook.models.upload_path)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("spam", models.CharField(blank=True, max_length=200)),
                ("checked_at", models.DateTimeField(null=True)),
                ("thumbnails_at", models.DateTimeField(null=True)),
                ("mailed_at", models.DateTimeField(null=True)),
                ("mail_attempts", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "verbose_name_plural": "entries",
                "ordering": ["-id"],
            },
        ),
    ]
