"""Whether a consumer can find a command: it imports only what Django's setup and the apps' ``commands.py`` import."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType

from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE
from django.utils.module_loading import autodiscover_modules

from .backends.base import BaseQueue
from .backends.memory import MemoryQueue
from .command import Command
from .exceptions import InvalidCommand

logger = logging.getLogger("djutils.queue.findable")

_TYPED_IN = {None, "builtins", "__main__", "__mp_main__", "django.core.management.commands.shell"}
"""The modules of code typed into a shell or a notebook, or of the script that Python was started with."""
_MOST = 2000
"""The largest number of modules to search."""


def is_being_loaded() -> bool:
    """Return whether every consumer also imports the module that is being imported now, as far as can be seen."""
    if not apps.loading:
        return False
    return not apps.ready or any(_is_beginning(name) for name in _commands_modules())


def refuse_unfindable(command_class: type[Command], queue: BaseQueue) -> bool:
    """Raise ``InvalidCommand`` if no consumer can find a command; log a warning if probably none can.

    Return whether the result holds for ``command_class`` on every queue.
    """
    if isinstance(queue, MemoryQueue):  # only this process can empty it
        return False
    name, module = command_class.name, command_class.__module__
    if module in _TYPED_IN:
        where = "a shell, a notebook or the script that Python was started with"
        if name.startswith(f"{module}."):
            raise InvalidCommand(
                f"'{name}' is defined in {where} ({command_class.source()}), where no consumer can find it; "
                f"nothing was sent. Move it to the commands.py of an installed app and import it from there. "
                f"To run it here and now, write {_called_here(command_class)}."
            )
        logger.warning(
            "The command '%s' is defined in %s (%s): it can only be run by a consumer that has another "
            "command of this name. Otherwise it becomes a dead letter in half an hour; move it to the "
            "commands.py of an installed app.",
            name,
            where,
            command_class.source(),
        )
    elif apps.ready and module not in _commands_modules() and not _is_imported_by_consumers(module):
        logger.warning(
            "The command '%s' is defined in %s, which no commands.py of an installed app imports: a consumer "
            "probably does not know it, and then it becomes a dead letter in half an hour. It was sent. Move it "
            "to an app's commands.py or import '%s' there, and restart the consumer.",
            name,
            command_class.source(),
            module,
        )
    return True


def _called_here(command_class: type[Command]) -> str:
    name = command_class.__qualname__
    return (
        f"{name}(data).execute()" if command_class.function is command_class.execute else f"{name}.call(...)"
    )


def _commands_modules() -> Iterator[str]:
    return (f"{config.name}.commands" for config in apps.get_app_configs())


def _is_beginning(name: str) -> bool:
    """Return whether the module ``name`` is still being imported."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _is_imported_by_consumers(name: str) -> bool:
    """Return whether the module ``name`` is a ``commands.py``, or is imported by one.

    This follows the modules in a module's namespace, and the modules that define the objects in it.
    A process that only sends has not imported every ``commands.py`` yet.
    """
    with suppress(
        Exception, SystemExit
    ):  # a consumer, which cannot start without them, reports what is wrong
        autodiscover_modules("commands")
    roots = {*_commands_modules(), *_settings_modules()}
    left, seen = list(roots), set(roots)
    while left and len(seen) < _MOST:
        one = left.pop()
        module = sys.modules.get(one)
        if one == name or (one in roots and module is not None and _spells(module, name)):
            return True
        found = set(_neighbours(module)) - seen if module is not None else set()
        seen |= found
        left += found
    return False


def _settings_modules() -> Iterator[str]:
    """Yield the settings module and its parent packages: they are imported before all apps."""
    name = os.environ.get(ENVIRONMENT_VARIABLE, "")
    while name:
        yield name
        name = name.rpartition(".")[0]


def _spells(module: ModuleType, name: str) -> bool:
    """Return whether the source of ``module`` contains ``name``: ``import a.b`` adds only ``a`` to the namespace."""
    with suppress(OSError, TypeError):
        return name in inspect.getsource(module)
    return False


def _neighbours(module: ModuleType) -> Iterator[str]:
    for value in list(vars(module).values()):
        # Not isinstance: it would evaluate a lazy object.
        is_module = issubclass(type(value), ModuleType)
        name = None
        with suppress(Exception):  # an object may raise anything on attribute access
            name = value.__name__ if is_module else value.__module__
        # A package has its submodules in its namespace, whichever module imported them.
        if isinstance(name, str) and not name.startswith(f"{module.__name__}.") and not _is_foreign(name):
            yield name


def _is_foreign(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top in {"django", "djutils"}
