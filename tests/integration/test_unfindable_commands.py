"""A command that no consumer can find is refused at the call, or warned about, in real processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.daemons import Terminal

SCRIPT = """
import django
from djutils.queue.decorators import queue_command
from djutils.queue.queue import QueueCommand, invoker

@queue_command{options}
def lost(): pass

class Lost(QueueCommand):
    def execute(self): print("executed")

django.setup()
"""
SETTINGS = """
from tests.project.settings import *
INSTALLED_APPS += ["shop"]
"""
MODULE = """
from djutils.queue.decorators import queue_command

@queue_command
def send_mail(): pass
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A project with one app; what is sent goes to a file."""
    terminal = Terminal(tmp_path, {"DJUTILS_TEST_QUEUE_BACKEND": "files.FileQueue"})
    (tmp_path / "files.py").write_text(
        "from djutils.queue.backends.base import BaseQueue\n"
        "class FileQueue(BaseQueue):\n"
        "    def write(self, data): open('sent', 'ab').write(data)\n"
        "    def read(self): return None\n"
    )
    (tmp_path / "more.py").write_text(SETTINGS)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "more"
    yield terminal
    terminal.close()


def write(terminal: Terminal, name: str, text: str) -> None:
    (terminal.folder / name).parent.mkdir(exist_ok=True)
    (terminal.folder / name).write_text(dedent(text))


def sent(terminal: Terminal) -> bool:
    return (terminal.folder / "sent").exists()


def call(terminal: Terminal, module: str = "shop.mail", before: str = "pass") -> str:
    """Return the output when the command in ``module`` is called by a process that has imported nothing else."""
    text = f"import django; django.setup(); {before}; import {module} as m; m.send_mail(); m.send_mail()"
    done = terminal.run(sys.executable, "-c", text)
    assert done.returncode == 0, done.stderr
    assert sent(terminal)
    return done.stderr


def test_a_command_in_a_script_is_refused_at_the_call(terminal: Terminal) -> None:
    write(terminal, "script.py", SCRIPT.format(options="") + "lost()\n")

    done = terminal.run(sys.executable, "script.py")

    assert "InvalidCommand: '__main__.lost' is defined in a shell, a notebook or the script" in done.stderr
    assert "nothing was sent. Move it to the commands.py of an installed app" in done.stderr
    assert "write lost.call(...)" in done.stderr
    assert not sent(terminal)


def test_a_command_class_in_a_script_is_refused_at_the_call(terminal: Terminal) -> None:
    write(terminal, "script.py", SCRIPT.format(options="") + "invoker.enqueue(Lost())\n")

    done = terminal.run(sys.executable, "script.py")

    assert "InvalidCommand: '__main__.Lost'" in done.stderr
    assert "write Lost(data).execute()" in done.stderr


TYPED = "from djutils.queue.decorators import queue_command\n@queue_command\ndef lost(): pass\n\nlost()\n"
CONSOLE = (
    "import code, django; django.setup(); console = code.InteractiveConsole({}); "
    f"[console.push(line) for line in {TYPED!r}.splitlines()]"
)


@pytest.mark.parametrize("words", [("-m", "tests.project.manage", "shell", "-c", TYPED), ("-c", CONSOLE)])
def test_a_command_typed_into_a_shell_is_refused_at_the_call(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    done = terminal.run(sys.executable, *words)

    assert "lost' is defined in a shell, a notebook or the script" in done.stderr
    assert not sent(terminal)


def test_a_command_with_a_name_of_its_own_in_a_script_is_sent_with_a_warning(terminal: Terminal) -> None:
    write(terminal, "script.py", SCRIPT.format(options='(name="shop.lost")') + "lost()\nlost()\n")

    done = terminal.run(sys.executable, "script.py")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("The command 'shop.lost' is defined in a shell, a notebook or the script") == 1
    assert sent(terminal)


@pytest.mark.parametrize(
    "setting", ["QUEUE_EAGER = True", "QUEUE_BACKEND = 'djutils.queue.backends.memory.MemoryQueue'"]
)
def test_what_runs_in_the_same_process_may_be_defined_anywhere(terminal: Terminal, setting: str) -> None:
    write(terminal, "more.py", f"{SETTINGS}\n{setting}\n")
    text = SCRIPT.format(options="") + "invoker.enqueue(Lost())\nwhile invoker.dequeue(): pass\n"
    write(terminal, "script.py", text)

    done = terminal.run(sys.executable, "script.py")

    assert (done.stdout, done.stderr) == ("executed\n", "")


@pytest.mark.parametrize("module", ["shop.mail", "elsewhere", "shop.tests.test_mail"])
def test_a_command_in_a_module_that_no_commands_module_imports_is_warned_about_once(
    terminal: Terminal, module: str
) -> None:
    write(terminal, "shop/commands.py", "")
    write(terminal, "shop/tests/__init__.py", "")
    write(terminal, f"{module.replace('.', '/')}.py", MODULE)

    said = call(terminal, module)

    assert said.count(f"The command '{module}.send_mail' is defined in ") == 1
    assert f"import '{module}' there, and restart the consumer" in said


@pytest.mark.parametrize(
    "text",
    [
        "import shop.mail\n",
        "from . import mail\n",
        "from .mail import send_mail\n",
        "from shop.mail import *\n",
        "from .other import something\n",
    ],
)
@pytest.mark.parametrize("before", ["pass", "import shop.commands"])
def test_what_a_commands_module_imports_is_found(terminal: Terminal, text: str, before: str) -> None:
    write(terminal, "shop/mail.py", MODULE)
    write(terminal, "shop/other.py", "from .mail import send_mail\ndef something(): pass\n")
    write(terminal, "shop/commands.py", text)

    assert call(terminal, before=before) == ""


def test_what_djangos_setup_imports_is_found(terminal: Terminal) -> None:
    write(terminal, "shop/mail.py", MODULE)
    write(
        terminal,
        "shop/apps.py",
        """
        from django.apps import AppConfig
        class ShopConfig(AppConfig):
            name = "shop"
            def ready(self):
                __import__("shop.mail")
        """,
    )

    assert call(terminal) == ""


@pytest.mark.parametrize("name", ["more.py", "mysite/__init__.py"])
def test_what_the_settings_import_is_found(terminal: Terminal, name: str) -> None:
    write(terminal, "shop/mail.py", MODULE)
    write(terminal, "mysite/__init__.py", "")
    write(terminal, "mysite/settings.py", "from more import *\n")
    with (terminal.folder / name).open("a") as file:
        file.write("\nimport shop.mail\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "mysite.settings" if "mysite" in name else "more"

    assert call(terminal) == ""


def test_a_lazy_object_is_not_evaluated(terminal: Terminal) -> None:
    write(terminal, "shop/mail.py", MODULE)
    lazy = "from django.utils.functional import SimpleLazyObject\nlazy = SimpleLazyObject(lambda: print('evaluated'))\n"
    write(
        terminal,
        "shop/commands.py",
        lazy + "class Odd:\n    __module__ = property(lambda self: 1 / 0)\nodd = Odd()\n",
    )

    text = "import django; django.setup(); import shop.mail as m; m.send_mail()"
    done = terminal.run(sys.executable, "-c", text)

    assert (done.returncode, done.stdout) == (0, "")
    assert "The command 'shop.mail.send_mail' is defined in" in done.stderr


def test_a_commands_module_that_fails_does_not_stop_the_call(terminal: Terminal) -> None:
    write(terminal, "shop/mail.py", MODULE)
    write(terminal, "shop/commands.py", "1 / 0\n")

    assert "The command 'shop.mail.send_mail' is defined in" in call(terminal)


def test_a_consumer_that_is_started_by_the_script_itself_finds_its_commands(terminal: Terminal) -> None:
    text = (
        SCRIPT.format(options="")
        + "from djutils.queue.bin.preflight import load_project\nload_project()\nlost()\n"
    )
    write(terminal, "script.py", text)

    done = terminal.run(sys.executable, "script.py")

    assert (done.returncode, done.stderr) == (0, "")
    assert sent(terminal)
