"""The guestbook: a Django app whose visitors do not wait."""

ACCOUNT = "guestbook-owner"
"""The user name of the account that run.py makes for the admin."""
