"""The keys that sign messages: where they come from, and which are refused."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from .conf import settings
from .exceptions import ConfigurationError
from .signing import Key, keys_from

PURPOSE = b"djutils.queue.envelope.v1"
_SHORTEST = 50
_FEWEST_CHARACTERS = 5
_GENERATED = b"django-insecure-"
_EMPTY_KEY = (
    "{name} is empty: anyone could sign with it, and so run code in your workers; nothing is signed or "
    "accepted until it holds a key. Take the entry out, or check where its value comes from."
)
_NO_KEY = "{name} must be a key, text or bytes, and not of type {kind}; its value is not shown."
_NO_LIST = (
    "{name} must be a list of keys, the signing one first, and not of type {kind}; its value is not shown."
)


class Keys(NamedTuple):
    """The prepared keys of this site."""

    signing: Key
    accepted: dict[bytes, Key]
    """All keys by id."""


@lru_cache(maxsize=1)
def site_keys() -> Keys:
    """Return the keys in use; raise ``ConfigurationError`` if one of them is empty or not a key."""
    derived = [hmac.digest(secret, PURPOSE, "sha256") for secret in secrets_in_use().values()]
    made = [key for secret in derived for key in keys_from(secret)]
    return Keys(made[0], {key.id: key for key in made})


def secrets_in_use() -> dict[str, bytes]:
    """Return each secret by its place in the settings, the signing one first.

    Raises ``ConfigurationError`` if one of them is empty or not a key. The error never contains a value.
    """
    own = settings.QUEUE_SIGNING_KEYS
    if own is None:
        fallbacks = _listed("SECRET_KEY_FALLBACKS", django_settings.SECRET_KEY_FALLBACKS)
        try:
            named = {"SECRET_KEY": django_settings.SECRET_KEY, **fallbacks}
        except ImproperlyConfigured:  # Django's own error for an empty key
            raise ConfigurationError(_EMPTY_KEY.format(name="SECRET_KEY")) from None
    else:
        named = _listed("QUEUE_SIGNING_KEYS", own)
        if not named:
            raise ConfigurationError(
                "QUEUE_SIGNING_KEYS is an empty list: nothing can be signed. Put a key into it, or leave the "
                "setting out to sign with SECRET_KEY."
            )
    return {name: _checked(name, secret) for name, secret in named.items()}


def is_weak(secret: bytes) -> bool:
    """Return whether ``secret`` is short, repetitive or left from ``startproject``, by Django's own criteria."""
    return len(secret) < _SHORTEST or len(set(secret)) < _FEWEST_CHARACTERS or secret.startswith(_GENERATED)


def _listed(name: str, secrets: Any) -> dict[str, Any]:
    # A string is a sequence of letters: each of them would be a key.
    if not isinstance(secrets, list | tuple):
        raise ConfigurationError(_NO_LIST.format(name=name, kind=type(secrets).__name__))
    return {f"{name}[{number}]": secret for number, secret in enumerate(secrets)}


def _checked(name: str, secret: Any) -> bytes:
    if not isinstance(secret, str | bytes):
        raise ConfigurationError(_NO_KEY.format(name=name, kind=type(secret).__name__))
    if not secret.strip():
        raise ConfigurationError(_EMPTY_KEY.format(name=name))
    return secret.encode(errors="surrogateescape") if isinstance(secret, str) else secret


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting.startswith("SECRET_KEY") or setting == "QUEUE_SIGNING_KEYS":
        site_keys.cache_clear()


# Only tests change settings, and Django reports it.
setting_changed.connect(_forget)
