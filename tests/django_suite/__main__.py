"""Runs Django's tests of its tasks on our backend: ``python -m tests.django_suite``."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import django
from django.test.runner import DiscoverRunner

from .left_out import LEFT_OUT

MODULES = ("test_tasks", "test_dummy_backend", "test_immediate_backend", "test_custom_backend")
INSTEAD = {
    "from django.tasks.backends.dummy import DummyBackend": "from tests.django_suite.backends import Waiting as DummyBackend",
    "from django.tasks.backends.immediate import ImmediateBackend": "from tests.django_suite.backends import Drained as ImmediateBackend",
    '"django.tasks.backends.dummy.DummyBackend"': '"tests.django_suite.backends.Waiting"',
    '"django.tasks.backends.immediate.ImmediateBackend"': '"tests.django_suite.backends.Drained"',
    # Tasks wait in a database.
    "SimpleTestCase": "TransactionTestCase",
    "import TransactionTestCase, TransactionTestCase, ": "import TransactionTestCase, ",
}
"""What is replaced in Django's files, in this order."""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "djutils" / "django-suite"


def source_distribution() -> Path:
    """Return the source distribution of this Django, downloaded unless it is in the cache."""
    name = f"django-{django.get_version()}.tar.gz"
    folder = cache_folder()
    if not (folder / name).exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, f"Django=={django.get_version()}"], check=True)
    return folder / name


def unpack(source: Path, folder: Path) -> None:
    """Write Django's ``tests/tasks`` to ``folder/tasks``, with our backends in the place of Django's."""
    (folder / "tasks").mkdir()
    with tarfile.open(source) as archive:
        for member in archive.getmembers():
            _, _, name = member.name.partition("/tests/tasks/")
            if name and (file := archive.extractfile(member)):
                (folder / "tasks" / name).write_text(on_ours(file.read().decode()), encoding="utf-8")


def on_ours(text: str) -> str:
    """Return a file of Django's tests with our backends in the place of Django's."""
    for theirs, ours in INSTEAD.items():
        text = text.replace(theirs, ours)
    return text


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from flat(one)
        else:
            yield one


class Runner(DiscoverRunner):
    """Runs what is not left out."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.left_out: set[str] = set()
        self.run_of: Counter[str] = Counter()

    def build_suite(self, *args: object, **kwargs: object) -> unittest.TestSuite:
        found = {
            test.id().removeprefix("tasks."): test for test in flat(super().build_suite(*args, **kwargs))
        }
        self.left_out = found.keys() & LEFT_OUT.keys()
        chosen = found.keys() - self.left_out
        self.run_of = Counter(name.partition(".")[0] for name in chosen)
        return self.test_suite(test for name, test in found.items() if name in chosen)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="djutils-django-suite-") as folder:
        unpack(source_distribution(), Path(folder))
        sys.path.insert(0, folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_suite.settings"
        django.setup()
        runner = Runner(verbosity=1)
        failures = runner.run_tests([f"tasks.{module}" for module in MODULES])
    print(f"Django {django.get_version()}, failed: {failures}")
    for module in MODULES:
        print(f"  {module}: {runner.run_of[module]} run")
    for name in sorted(runner.left_out):
        print(f"  left out: {name}\n    {LEFT_OUT[name]}")
    unknown = LEFT_OUT.keys() - runner.left_out
    for name in sorted(unknown):
        print(f"  no longer there, take it out of left_out.py: {name}")
    return 1 if failures or unknown or not runner.run_of else 0


sys.exit(main())
