"""Where messages are stored: ``queues[name]`` is a queue of the configured backend."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.exceptions import AppRegistryNotReady
from django.core.signals import setting_changed

from djutils.queue.conf import settings
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.stores.base import Store
from djutils.queue.stores.cache_store import CacheStore

from .base import BaseQueue

PROVIDED = (
    "djutils.queue.backends.database.DatabaseQueue",
    "djutils.queue.backends.redis_backend.RedisQueue",
    "djutils.queue.backends.redis_backend.RedisBlockingQueue",
    "djutils.queue.backends.memory.MemoryQueue",
)


RESULT_STORES = "'database', 'redis' or 'cache', with a colon and the alias or address after it if it is not the default one"
_KINDS_OF_STORES = ("database", "redis", "rediss", "unix", "cache")


class Queues(dict[str, BaseQueue]):
    """The queues by name, each made when it is first asked for. A made one is found without a call.

    A changed setting gives other instances, so overriding settings in a test works; changed back, it gives
    the first ones again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[tuple[str, ...], BaseQueue] = {}
        self._lock = threading.Lock()

    def __missing__(self, name: str) -> BaseQueue:
        key = _key(name)
        try:
            queue = self._made.get(key)
        except TypeError:  # an unhashable setting cannot be a key; making the queue explains it
            queue = None
        if queue is None:
            made = self.fresh(name)
            with self._lock:
                queue = self._made.setdefault(key, made)
        self[name] = queue
        return queue

    def made(self) -> list[BaseQueue]:
        """Return the queues, as they are configured now, that this process has used so far."""
        with self._lock:
            return [queue for key, queue in self._made.items() if key == _key(queue.name)]

    def fresh(self, name: str) -> BaseQueue:
        """Return a new instance for a caller that will ``open()`` it: a consumer.

        Raises ``ConfigurationError`` for invalid settings.
        """
        path, connection = settings.place_of(name)
        backend = load_backend(path)
        for what, value in (("QUEUE_CONNECTION", connection), ("The name of a queue", name)):
            if not isinstance(value, str):
                raise ConfigurationError(
                    f"{what} must be text, not of type {type(value).__name__}; its value is not shown."
                )
        queue = backend(name, connection)
        queue.results_elsewhere = result_store()
        return queue

    def fresh_together(self, names: Sequence[str]) -> list[BaseQueue]:
        """Return ``fresh(name)`` for each of ``names``; where one waits it hears of the others in its place."""
        made = [self.fresh(name) for name in names]
        for queue in made:
            place = settings.place_of(queue.name)
            queue.beside = [
                one.name for one in made if one is not queue and settings.place_of(one.name) == place
            ]
        return made


def _key(name: str) -> tuple[str, ...]:
    return (*settings.place_of(name), settings.QUEUE_RESULT_STORE, name)


def load_backend(path: Any) -> type[BaseQueue]:
    """Return the class at dotted ``path``; raise ``ConfigurationError``, with the nearest match, if there is none.

    The error does not show a path that was not found: the value may be an address with a password in it.
    """
    module_path, _, class_name = str(path).rpartition(".")
    if not all(part.isidentifier() for part in module_path.split(".")):
        raise ConfigurationError(_explain(path, PROVIDED))
    try:
        module = import_module(module_path)
    except ModuleNotFoundError as error:
        if error.name and not module_path.startswith(error.name):
            raise ConfigurationError(
                f"QUEUE_BACKEND = {path!r} needs '{error.name}', which is not installed."
            ) from error
        raise ConfigurationError(_explain(path, PROVIDED)) from None  # its message names the path
    except AppRegistryNotReady as error:
        raise ConfigurationError(
            "Django is not set up in this process: call django.setup() before you call a command; nothing was sent."
        ) from error
    except RuntimeError as error:  # raised by Django for a model of an app that is not installed
        if apps.is_installed("djutils"):
            raise
        raise ConfigurationError(f"{explain_absence()} Nothing was sent.") from error
    backend = getattr(module, class_name, None)
    if backend is None:
        there = [f"{module_path}.{name}" for name in vars(module) if name.endswith("Queue")]
        raise ConfigurationError(_explain(path, (*PROVIDED, *there)))
    if not (isinstance(backend, type) and issubclass(backend, BaseQueue)):
        raise ConfigurationError(
            f"QUEUE_BACKEND = {path!r} is not a backend: it must be a subclass of "
            f"djutils.queue.backends.base.BaseQueue."
        )
    return backend


def result_store() -> Store | None:
    """Return the store that ``QUEUE_RESULT_STORE`` names; None: beside the messages."""
    place = settings.QUEUE_RESULT_STORE
    if not place:
        return None
    if not is_result_store(place):
        raise ConfigurationError(f"QUEUE_RESULT_STORE must be {RESULT_STORES}; its value is not shown.")
    kind, _, where = place.partition(":")
    if kind == "cache":
        return CacheStore("results", where or "default")
    if kind == "database":
        return load_backend(PROVIDED[0])("results", where).store
    return load_backend(PROVIDED[1])("results", place if where.startswith("//") else where).store


def is_result_store(place: object) -> bool:
    """Return whether ``place`` can be ``QUEUE_RESULT_STORE``."""
    return place == "" or (isinstance(place, str) and place.partition(":")[0] in _KINDS_OF_STORES)


def explain_absence() -> str:
    """Return what to do when djutils is not installed in the project."""
    near = [config.name for config in apps.get_app_configs() if config.name.startswith("djutils.")]
    return (
        f"djutils is not installed in the project: {f'{near[0]!r} is not the name of its app; ' if near else ''}add "
        f"'djutils' to INSTALLED_APPS, then run 'manage.py migrate'."
    )


def _explain(path: object, known: tuple[str, ...]) -> str:
    near = get_close_matches(str(path), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(PROVIDED)}."
    return f"QUEUE_BACKEND cannot be imported; {hint} It must be the dotted path of a class."


def _forget(**kwargs: Any) -> None:
    queues.clear()


queues = Queues()
setting_changed.connect(_forget)
