"""Commands that look at what they find in their process, and leave a mess there."""

from __future__ import annotations

import atexit
import ctypes
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import sleep
from types import FrameType
from typing import Any

from djutils.queue.decorators import queue_command

from .files import write

PROBE = """
import json, pathlib, signal, sys
masks = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("Sig")]
handlers = {number: str(signal.getsignal(number)) for number in sorted(signal.valid_signals())}
read = None if sys.stdin is None else sys.stdin.read()
print(json.dumps([[line for line in masks if line[3:6] in ("Blk", "Ign", "Cgt")], handlers, read]))
"""
"""What a Python program can say of its signals and its stdin."""


def fresh() -> Any:
    """What a Python program says that this process starts."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if not done.returncode else done.stderr


def handlers() -> dict[int, str]:
    """What the calling process has."""
    return {number: str(signal.getsignal(number)) for number in sorted(signal.valid_signals())}


def in_a_fork(look: Callable[[], Any]) -> Any:
    """What ``look`` finds in a child of the calling thread."""
    hear, say = os.pipe()
    if not (pid := os.fork()):
        os.write(say, json.dumps(look()).encode())
        os._exit(0)
    os.close(say)
    with os.fdopen(hear) as answer:
        found = json.loads(answer.read())
    os.waitpid(pid, 0)
    return found


def blocked() -> list[int]:
    """The signals that do not reach the calling thread."""
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


@queue_command(max_attempts=1)
def look_around(path: str) -> None:
    """Say what is found."""
    found = {
        "started": fresh(),
        "forked": in_a_fork(lambda: [handlers(), blocked()]),
        "stdin": sys.stdin.read(),
        "cat": subprocess.run(["cat"], capture_output=True, check=False).stderr.decode(),
        "inheritable": [os.get_inheritable(fd) for fd in range(3)],
        "blocked": blocked(),
        "main": threading.current_thread() is threading.main_thread(),
    }
    write(path, json.dumps(found))


@queue_command(max_attempts=1)
def end_a_child(path: str) -> None:
    """Start a process and ask it to end."""
    child = multiprocessing.get_context("fork").Process(target=sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(10)
    write(path, str(child.exitcode))
    child.kill()


def ring(number: int, frame: FrameType | None) -> None:
    """The handler of an impatient command."""
    raise TimeoutError(f"signal {number}")


@queue_command(max_attempts=1)
def be_interrupted(path: str) -> None:
    """Have a wait ended by an alarm, and tidy nothing up."""
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.3)
    try:
        sleep(30)
    except TimeoutError as error:
        write(path, error)


@queue_command(max_attempts=1)
def make_a_mess(path: str) -> None:
    """Leave handlers, directory and umask in disorder."""
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.umask(0)
    os.chdir("/")
    write(path, "mess")


@queue_command(max_attempts=1)
def look_about(path: str, pause: float = 0.0) -> None:
    """Say where this is, after a while."""
    sleep(pause)
    umask = os.umask(0)
    os.umask(umask)
    write(path, json.dumps([str(Path.cwd()), umask, handlers()]))


def be_slow(path: str) -> None:
    """The work of a thread that is not joined."""
    sleep(0.5)
    write(path, "thread")


@queue_command(max_attempts=1)
def leave_things_to_do(path: str) -> None:
    """Leave something for the end of the process: an exit handler, a thread, half a line of output."""
    atexit.register(write, path, "exit handler")
    threading.Thread(target=be_slow, args=(path,)).start()
    print("a whole line")
    print("half a line", end="")


@queue_command(max_attempts=1)
def hang_at_exit(path: str) -> None:
    """Leave an exit handler that does not end."""
    atexit.register(sleep, 600)
    write(path, os.getpid())


@queue_command(max_attempts=1)
def say(path: str, text: str) -> None:
    """Log a line, and print one on each stream."""
    logging.getLogger("app.world").warning(text)
    print(text, "on stdout,", 1)
    print(text, "on stderr,", 2, file=sys.stderr)
    write(path, json.dumps(text))


@queue_command(max_attempts=1)
def look_into_the_settings_folder(path: str) -> None:
    """Say whether the folder is there that the settings made."""
    write(path, Path(import_module(os.environ["DJANGO_SETTINGS_MODULE"]).folder.name).is_dir())


@queue_command(max_attempts=1)
def doom_its_thread(path: str) -> None:
    """Have an exception raised in its thread after it has returned, as a misused time limit does."""
    thread = ctypes.c_ulong(threading.get_ident())
    doom = threading.Timer(
        0.1, ctypes.pythonapi.PyThreadState_SetAsyncExc, (thread, ctypes.py_object(SystemExit))
    )
    doom.start()
    write(path, os.getpid())


@queue_command(max_attempts=1)
def eat_and_hold(path: str, gate: str, mebibytes: int) -> None:
    """Use much memory until the gate is there."""
    kept = b"x" * (mebibytes << 20)
    write(path, "began")
    while not Path(gate).exists():
        sleep(0.01)
    write(path, "ended")
    del kept


@queue_command(max_attempts=1)
def say_and_be_killed(path: str, texts: list[str]) -> None:
    """Log lines, then die as if memory had run out."""
    for text in texts:
        logging.getLogger("app.world").warning(text)
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


@queue_command(max_attempts=2, backoff=0.05, time_limit=(0.3, 0.6))
def wait_for_a_program(path: str, seconds: str) -> None:
    """Wait for a program that takes too long, in a call that hears nothing."""
    write(path, os.getpid())
    subprocess.run(["sh", "-c", f"sleep {seconds} & wait"], check=False)


@queue_command(max_attempts=1)
def wait_for_a_program_for_ever(path: str, seconds: str) -> None:
    """Wait for a program, without a limit."""
    write(path, os.getpid())
    subprocess.run(["sleep", seconds], check=False)


@queue_command(max_attempts=1)
def leave_a_program(path: str, seconds: str, session: bool) -> None:
    """Start a program and leave it running."""
    subprocess.Popen(["sleep", seconds], start_new_session=session)
    write(path, os.getpid())
