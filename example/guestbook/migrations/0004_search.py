from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("guestbook", "0003_calls")]

    operations = [migrations.AddField("entry", "search", models.TextField(blank=True))]
