"""Users' tests in real test runners: pytest with our plugin, and Django's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = """
    SECRET_KEY = "only this project's tests know it"
    USE_TZ = True
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "djutils"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    QUEUE_NAME = "users"
"""
COMMANDS = """
    from djutils.queue.decorators import queue_command

    @queue_command
    def work(number):
        print("worked", number)
"""
CLASSES = """
    from django.test import SimpleTestCase, TestCase, TransactionTestCase
    from commands import work
    from djutils.queue.queue import invoker

    class Leaving:
        def leave_something(self):
            assert len(invoker) == 0, len(invoker)
            work(1)
        test_one = test_two = leave_something

    class Simple(Leaving, SimpleTestCase): pass
    class Transactions(Leaving, TransactionTestCase): pass
    class Usual(Leaving, TestCase): pass
"""
FUNCTIONS = """
    import pytest
    from commands import work
    from djutils.queue.queue import invoker

    @pytest.mark.parametrize("number", [1, 2])
    def test_plain(number):
        assert len(invoker) == 0
        work(number)

    @pytest.mark.django_db
    @pytest.mark.parametrize("number", [1, 2])
    def test_with_the_mark(number):
        assert len(invoker) == 0
        work(number)
"""

WITH_FIXTURES = """
    import pytest
    from commands import work

    def test_the_fixtures(assert_enqueued, assert_not_enqueued, enqueued, drain, capsys):
        work(7)
        assert_enqueued(work, 7)
        assert_not_enqueued(work, 8)
        assert [call.args for call in enqueued()] == [call.args for call in drain()] == [(7,)]
        assert capsys.readouterr().out == "worked 7\\n"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a user's, with one module of commands."""
    for name, text in {"settings": SETTINGS, "commands": COMMANDS}.items():
        (tmp_path / f"{name}.py").write_text(dedent(text))
    return tmp_path


def run(project: Path, *words: str, **environment: str) -> str:
    """Run a module of Python in ``project``; return what it printed, after a success."""
    # Whatever plugins this environment has: the two that matter are named.
    given = {"PYTHONPATH": f"{project}{os.pathsep}{ROOT}", "DJANGO_SETTINGS_MODULE": "settings"}
    given |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""} | environment
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def run_pytest(project: Path, *words: str) -> str:
    plugins = ("-p", "pytest_django.plugin", "-p", "djutils.pytest_plugin", "-p", "no:cacheprovider")
    return run(project, "pytest", "-q", *plugins, *words)


def test_pytest_empties_the_memory_queue_before_each_test(project: Path) -> None:
    (project / "test_functions.py").write_text(dedent(FUNCTIONS))
    (project / "test_classes.py").write_text(dedent(CLASSES))
    assert "10 passed" in run_pytest(project)


def test_pytest_has_the_functions_as_fixtures(project: Path) -> None:
    (project / "test_fixtures.py").write_text(dedent(WITH_FIXTURES))
    assert "1 passed" in run_pytest(project)


def test_djangos_runner_empties_it_before_each_test(project: Path) -> None:
    (project / "test_classes.py").write_text(dedent(CLASSES))
    assert "Ran 6 tests" in run(project, "django", "test", "--settings", "settings")


def test_the_plugin_imports_neither_django_nor_the_queue(project: Path) -> None:
    (project / "test_nothing.py").write_text(
        dedent("""
        import sys

        def test_nothing():
            assert not [name for name in sys.modules if name.split(".")[0] == "django" or name.startswith("djutils.")
                        and name != "djutils.pytest_plugin"]
        """)
    )
    words = ("-p", "djutils.pytest_plugin", "-p", "no:cacheprovider")
    assert "1 passed" in run(project, "pytest", "-q", *words, DJANGO_SETTINGS_MODULE="")
