"""The project in which Django's tests run: djutils and a SQLite database."""

from __future__ import annotations

SECRET_KEY = "only the tests know this one"
USE_TZ = True
INSTALLED_APPS = ["djutils"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
QUEUE_NAME = "suite"
# Many of these tests fail on purpose.
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"djutils": {"level": "CRITICAL"}}}
