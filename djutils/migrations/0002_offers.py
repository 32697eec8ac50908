from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("djutils", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="queuemessage",
            name="offers",
            field=models.IntegerField(db_default=0, verbose_name="offers"),
        ),
    ]
