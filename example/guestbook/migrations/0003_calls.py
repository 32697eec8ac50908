from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("guestbook", "0002_refusal")]

    operations = [
        migrations.AddField("entry", "thumbnails_call", models.CharField(blank=True, max_length=32)),
        migrations.AddField("entry", "poster_call", models.CharField(blank=True, max_length=32)),
    ]
