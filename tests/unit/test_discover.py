"""``queue.autodiscover()``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from djutils import queue
from djutils.queue.ids import new_id
from djutils.queue.registry import registry

MakeApp = Callable[[dict[str, str]], str]


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[MakeApp]:
    """Installs a new app with these files, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before, modules = set(registry), set(sys.modules)

    def make(files: dict[str, str]) -> str:
        name = f"app_{new_id()[-8:]}"
        (tmp_path / name).mkdir()
        for file, source in {"__init__.py": "", **files}.items():
            (tmp_path / name / file).write_text(source)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, name]
        return name

    yield make
    for command_class in set(registry) - before:
        registry.unregister(command_class)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


COMMANDS = """
from djutils.queue.decorators import periodic_command, crontab, queue_command
from djutils.queue.queue import QueueCommand

@queue_command
def churn(): pass

@periodic_command(crontab())
def tick(): pass

class Old(QueueCommand):
    def execute(self): pass
"""


def test_it_imports_the_commands_of_every_app(make_app: MakeApp) -> None:
    one, two = make_app({"commands.py": COMMANDS}), make_app({"commands.py": COMMANDS})
    queue.autodiscover()
    names = {command_class.name for command_class in registry}
    for app in (one, two):
        assert {f"{app}.commands.churn", f"{app}.commands.tick", f"{app}.commands.Old"} <= names


def test_an_app_without_commands_is_fine(make_app: MakeApp) -> None:
    app = make_app({"models.py": ""})
    queue.autodiscover()
    assert f"{app}.commands" not in sys.modules


def test_discovering_twice_is_fine(make_app: MakeApp) -> None:
    app = make_app({"commands.py": COMMANDS})
    queue.autodiscover()
    known = len(registry)
    queue.autodiscover()
    assert len(registry) == known
    assert registry.get_class(f"{app}.commands.churn")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module_at_all", ModuleNotFoundError),
        ("from . import no_such_name", ImportError),
        ("1 / 0", ZeroDivisionError),
        ("def broken(:", SyntaxError),
    ],
)
def test_a_commands_module_that_fails_is_reported_with_its_place(
    make_app: MakeApp, source: str, error: type[Exception]
) -> None:
    app = make_app({"commands.py": f"{COMMANDS}\n{source}\n"})
    with pytest.raises(error) as caught:
        queue.autodiscover()
    files = [str(entry.path) for entry in caught.traceback] + [getattr(caught.value, "filename", "") or ""]
    assert any(file.endswith(f"{app}/commands.py") for file in files)
    with pytest.raises(error):
        queue.autodiscover()


def test_once_fixed_it_is_found(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app({"commands.py": f"{COMMANDS}\n1 / 0\n"})
    with pytest.raises(ZeroDivisionError):
        queue.autodiscover()
    (tmp_path / app / "commands.py").write_text(COMMANDS)
    queue.autodiscover()
    assert registry.get_class(f"{app}.commands.churn")


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="this Django has tasks")
def test_the_backend_for_django_says_which_version_it_needs() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"needs Django 6\.0 or later"):
        import_module("djutils.contrib.django_tasks")
