"""Running as another user: root starts the consumer and then gives up its privileges."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from djutils.queue.bin import children, processes
from djutils.queue.bin.options import Usage
from djutils.queue.bin.safe_files import create_log, open_log
from djutils.queue.exceptions import ConsumerError

T = TypeVar("T")
WARNING = (
    "The consumer runs as root, and so does every command. Name another user with --user, or say --user root "
    "if this is meant."
)


class Account(NamedTuple):
    """The user and the group to become."""

    uid: int
    gid: int
    name: str = ""
    """Empty for a number that belongs to no user."""
    home: str = ""


def find(user: str | None, group: str | None) -> Account | None:
    """Return the account of ``user`` and ``group``, by name or number; None to keep the current one.

    Raises ``Usage`` if they do not exist, or if they differ from ours and we are not root.
    """
    if user is None and group is None:
        return None
    account = _find_user(user) if user is not None else _by_number(os.geteuid())
    if group is not None:
        account = account._replace(gid=_find_group(group))
    elif account.gid == -1:
        raise Usage(f"The user {user} is not in the user database: name a group as well, with --group.")
    if os.geteuid() == 0:
        return account
    if account.uid == os.geteuid() and account.gid == os.getegid():
        return None
    raise Usage(
        "Only root can run a consumer as another user: leave --user and --group out, or start it as root."
    )


def become(account: Account | None) -> None:
    """Become that user, with its groups and home directory; None: change nothing."""
    if account is None:
        return
    _enter_groups(account)
    os.setgid(account.gid)
    os.setuid(account.uid)
    if account.name:
        os.environ |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}


def words_of(uid: int, pid: int) -> list[str]:
    """Return the options to run as that user, in the group of the process ``pid`` (0: in the primary group)."""
    identity = processes.identity(pid) if pid else None
    gid = identity[1] if identity and identity[0] == uid else _by_number(uid).gid
    return [f"--user={uid}", f"--group={uid if gid == -1 else gid}"]


def call_as(account: Account | None, function: Callable[[], T]) -> T:
    """Return what ``function`` returns when called as that user; None: in this process.

    Raises what it raises, as a ``ConsumerError`` if it is called in a child process.
    """
    if account is None:
        return function()

    def call() -> T:
        become(account)
        return function()

    try:
        result: T = children.call(call)
    except EOFError:
        raise ConsumerError("The project's code ended the process that loaded it.") from None
    return result


def prepare_log(path: Path, account: Account) -> None:
    """Create the log at ``path`` for the user if it does not exist and only root can create it.

    An existing log is left as it is: whether the user may write to it is found out later.
    """
    with _acting_as(account), suppress(OSError):
        os.close(open_log(path))
        return
    with suppress(OSError):
        create_log(path, account.uid, account.gid)


@contextmanager
def _acting_as(account: Account) -> Iterator[None]:
    """Use the user's permissions inside the context, and be root again afterwards."""
    groups = os.getgroups()
    _enter_groups(account)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _enter_groups(account: Account) -> None:
    if account.name:
        os.initgroups(account.name, account.gid)
    else:
        os.setgroups([account.gid])


def _find_user(user: str) -> Account:
    with suppress(KeyError):
        return _of(pwd.getpwnam(user))
    if not user.isdecimal():
        raise Usage(f"There is no user '{user}': name another with --user.")
    return _by_number(int(user))


def _by_number(uid: int) -> Account:
    with suppress(KeyError):
        return _of(pwd.getpwuid(uid))
    return Account(uid, -1)


def _of(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir)


def _find_group(group: str) -> int:
    with suppress(KeyError):
        return grp.getgrnam(group).gr_gid
    if not group.isdecimal():
        raise Usage(f"There is no group '{group}': name another with --group.")
    return int(group)
