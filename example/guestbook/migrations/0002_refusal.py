from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("guestbook", "0001_initial")]

    operations = [
        migrations.AddField("entry", "refusal", models.CharField(blank=True, max_length=200)),
        migrations.AlterModelOptions("entry", {"ordering": ["id"], "verbose_name_plural": "entries"}),
    ]
