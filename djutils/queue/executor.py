"""One delivery, from bytes to a decision: the same in production, in eager mode and in tests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextvars import Context, Token
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.urls import get_script_prefix, set_script_prefix

from .chain import chain_of, every_middleware
from .codec import decode
from .command import Command
from .counters import MOST_TIMED, EndedRuns, Successes
from .current import Lease, Running, Watchdog, running
from .exceptions import (
    Cancelled,
    InvalidMessage,
    NotUnderstood,
    TooDangerous,
    UnknownCommand,
)
from .interrupting import cancel_here, interruptible
from .keeping import await_and_keep, finished, run_and_keep, with_record
from .message import ACKED, FINISHED, SETTLED, Action, Delivery, Message, Outcome, make
from .middleware.base import Layer, Run, compose, defines
from .milestones import reason_to_refuse_delivery
from .registry import CommandRegistry, registry
from .retry import UNKNOWN
from .signals import (
    command_died,
    command_dropped,
    command_postponed,
    command_retried,
    command_started,
    command_succeeded,
)
from .verdict import Verdict, due_of, send_signal

T = TypeVar("T")

logger = logging.getLogger("djutils.queue.executor")

_SIGNALS = (
    command_started,
    command_succeeded,
    command_retried,
    command_postponed,
    command_dropped,
    command_died,
)
_OTHER_ID = (
    "It is stored under an id that is not its own, {}: it was copied or moved by hand. If that one did not "
    "run, enqueue it again."
)


def log_success(message: Message, duration: float) -> None:
    """Log that the command of ``message`` has succeeded after ``duration`` seconds."""
    logger.info("%s %s succeeded in %.3f s", message.id, message.command, duration)


_Success = tuple[Outcome, bool, Successes | None]
"""The outcome of a run that succeeds, whether what is kept of it belongs to that, and where it is counted."""
_Runs = dict[type[Command], tuple[Run, _Success]]
"""How commands of each class are run."""


class Opened(Delivery):
    """A delivery whose message is decoded already."""

    message: Message


class Executor(Verdict):
    """Runs deliveries of the queue ``queue_name`` and decides their outcome.

    It settles nothing itself: its caller carries the ``Outcome`` to the backend. ``lease`` names the
    owner of the deliveries, if they are lent.

    Each command runs in a new, empty context: the context variables, language, time zone and decimal
    precision that it sets end with it. The context is not a copy of ours, because its variables would contain
    the same objects. Only Django's script prefix is taken from where this executor was made.
    """

    def __init__(
        self,
        queue_name: str,
        layers: Sequence[Layer] = (),
        registry: CommandRegistry = registry,
        lease: Lease | None = None,
        log_success: Callable[[Message, float], None] = log_success,
        awaited_layers: Sequence[Layer] = (),
        ended: EndedRuns | None = None,
    ) -> None:
        super().__init__(lease, ended)
        self._queue_name = queue_name
        self._layers = layers
        self._awaited_layers = awaited_layers
        self._registry = registry
        self._log_success = log_success
        self._script_prefix = get_script_prefix()
        # A call that is not made: most sites have no prefix.
        self._enter = running.set if self._script_prefix == "/" else self._enter_with_prefix
        self._runs: _Runs = {}
        self._awaited_runs: _Runs = {}
        # Of messages that carry extras, on which more middleware may act.
        self._carrying_runs: _Runs = {}
        self._carrying_awaited_runs: _Runs = {}
        self._told = [one for one in every_middleware() if defines(one, "settled")]

    def execute(self, delivery: Delivery, watchdog: Watchdog | None = None) -> Outcome:
        """Run a delivery; any exception of the command becomes part of the outcome.

        ``watchdog`` is where the running thread records when the command must have ended.
        """
        admitted = self._admit(delivery)
        if isinstance(admitted, Outcome):
            return admitted
        command_class, message = admitted
        outcome = Context().run(self._attempt, command_class, message, delivery, watchdog)
        if message.extras_json:
            outcome = self._in_lane(message, outcome)
        return self._tell(command_class, message, outcome) if self._told else outcome

    async def aexecute(self, delivery: Delivery, watchdog: Watchdog | None = None) -> Outcome:
        """As ``execute``, for a command that is awaited; to be called in its own, empty context.

        What receivers of signals and ``settled()`` do happens in the thread of ``sync_to_async``: they may
        use the database, and take their time.
        """
        if delivery.crashes or delivery.redeliveries:  # then a milestone may have to be read
            admitted = await sync_to_async(self._admit)(delivery)
        else:
            admitted = await _aside(self._admit, delivery)
        if isinstance(admitted, Outcome):
            return admitted
        command_class, message = admitted
        outcome = await self._attempt_awaited(command_class, message, delivery, watchdog)
        if message.extras_json:
            outcome = self._in_lane(message, outcome)
        if self._told:
            return await sync_to_async(self._tell)(command_class, message, outcome)
        return outcome

    def open(self, delivery: Delivery) -> tuple[Delivery, bool]:
        """Return ``delivery`` with its message, so that it is decoded once, and whether its command is awaited."""
        try:
            message = decode(delivery.data, self._queue_name)
            awaited = self._registry.get_class(message.command).is_awaited()
        except Exception:  # noqa: BLE001  (the run meets it again, and decides what becomes of the delivery)
            return delivery, False
        opened = make(Opened, delivery)
        opened.message = message
        return opened, awaited

    def _admit(self, delivery: Delivery) -> tuple[type[Command], Message] | Outcome:
        """Return what is to be run, or the outcome of a delivery that must not run."""
        try:
            if type(delivery) is Opened:
                message = delivery.message
            else:
                message = decode(delivery.data, self._queue_name)
        except InvalidMessage as error:
            return self._turn_away(delivery, error)
        if self._lease and message.id != delivery.id:
            return self._turn_away(delivery, InvalidMessage(_OTHER_ID.format(message.id)))
        if message.eta is not None and (early := self._early_by(message)) > 0:
            return Outcome(Action.RELEASE, delay=early)
        try:
            command_class = self._registry.get_class(message.command)
            if message.extras_json:
                _refuse_not_understood(message)
        except UnknownCommand as error:
            return self._fail(Command, UNKNOWN, message, delivery, error, charge=0)
        counted = delivery.crashes or delivery.redeliveries
        if counted and (why := reason_to_refuse_delivery(delivery, self._lease)):
            text = f"{why}\n\n{delivery.error}".rstrip()
            outcome = self._in_lane(message, self._refuse(command_class, message, TooDangerous(why), text))
            return self._tell(command_class, message, outcome)
        return command_class, message

    def overrun(self, delivery: Delivery, error: BaseException) -> Outcome:
        """Return the outcome of a delivery whose process had to be killed because of ``error``."""
        message = decode(delivery.data, self._queue_name)
        command_class = self._registry.get_class(message.command)
        outcome = self._in_lane(message, self._ended_by(error, command_class, message, delivery))
        return self._tell(command_class, message, outcome)

    def cancelled(self, delivery: Delivery) -> Outcome:
        """Return the outcome of a delivery that was cancelled, and whose process was killed for that."""
        message = decode(delivery.data, self._queue_name)
        command_class = self._registry.get_class(message.command)
        told = Cancelled("It was cancelled while it ran, and its process was killed.")
        dropped = self._drop(command_class, message, told)
        outcome = self._in_lane(message, with_record(dropped, command_class, message, delivery, told))
        return self._tell(command_class, message, outcome)

    def _early_by(self, message: Message) -> float:
        """Return the seconds until a message is due; 0 for a leased one, which is due by the backend's clock."""
        return 0.0 if self._lease or message.eta is None else message.eta - time.time()

    def _enter_with_prefix(self, run: Running) -> Token[Running | None]:
        set_script_prefix(self._script_prefix)
        return running.set(run)

    def _attempt(
        self, command_class: type[Command], message: Message, delivery: Delivery, watchdog: Watchdog | None
    ) -> Outcome:
        began = time.perf_counter()
        self._enter(make(Running, (message, delivery, self._lease, watchdog, False, began)))
        try:
            command = command_class(command_class.load(message.body))
            if command_started.receivers:
                send_signal(command_started, command_class, message=message)
            runs = self._carrying_runs if message.extras_json else self._runs
            run, success = runs.get(command_class) or self._run_of(command_class, runs)
            result = run(command)
        except BaseException as error:  # noqa: BLE001  a SystemExit of the command must not end its worker
            return self._ended_by(error, command_class, message, delivery)
        return self._succeeded(command_class, message, delivery, began, result, success)

    async def _attempt_awaited(
        self, command_class: type[Command], message: Message, delivery: Delivery, watchdog: Watchdog | None
    ) -> Outcome:
        began = time.perf_counter()
        self._enter(make(Running, (message, delivery, self._lease, watchdog, True, began)))
        try:
            command = command_class(command_class.load(message.body))
            await _aside(send_signal, command_started, command_class, message=message)
            runs = self._carrying_awaited_runs if message.extras_json else self._awaited_runs
            run, success = runs.get(command_class) or self._awaited_run_of(command_class, runs)
            with interruptible(message.id, cancel_here()):
                result = await run(command)
        except BaseException as error:  # noqa: BLE001  as above; also a CancelledError that the command raised
            if self._lease and command_class.keeps_results():
                # A store is asked whether it was cancelled, which would hold up the loop.
                return await sync_to_async(self._ended_by)(error, command_class, message, delivery)
            return await _aside(self._ended_by, error, command_class, message, delivery)
        return await _aside(self._succeeded, command_class, message, delivery, began, result, success)

    def _succeeded(
        self,
        command_class: type[Command],
        message: Message,
        delivery: Delivery,
        began: float,
        result: object,
        success: _Success,
    ) -> Outcome:
        duration = time.perf_counter() - began
        outcome, keeps, counted = success
        if counted is not None:
            counted.times.append(duration)
            if len(counted.times) < MOST_TIMED:
                counted.waits.append((due_of(message, delivery), began))
        if logger.isEnabledFor(logging.INFO):
            self._log_success(message, duration)
        if command_succeeded.receivers:
            send_signal(command_succeeded, command_class, message=message, duration=duration, result=result)
        return finished(outcome.action) if keeps else outcome

    def _success_of(self, command_class: type[Command], keeps: bool) -> _Success:
        counted = self._ended.of(command_class.name) if self._ended else None
        if self._lease and command_class.atomic:
            return SETTLED, False, counted  # what is kept of it as well
        if self._lease and command_class.at_most_once:
            return SETTLED, keeps, counted
        return FINISHED if keeps else ACKED, keeps, counted

    def _run_of(self, command_class: type[Command], runs: _Runs) -> tuple[Run, _Success]:
        """Return how a command of this class is run, which pays only for the options it uses, and remember it in ``runs``."""
        chain = chain_of(command_class, carries=runs is self._carrying_runs)
        layers = (*self._layers, *chain.layers)
        keeps = command_class.keeps_results()
        run = compose(layers, run_and_keep if keeps else command_class.execute)
        made = runs[command_class] = run, self._success_of(command_class, keeps)
        return made

    def _awaited_run_of(self, command_class: type[Command], runs: _Runs) -> tuple[Run, _Success]:
        chain = chain_of(command_class, carries=runs is self._carrying_awaited_runs)
        layers = (*self._awaited_layers, *chain.awaited_layers)
        keeps = command_class.keeps_results()
        aexecute: Any = command_class.aexecute
        run = compose(layers, await_and_keep if keeps else aexecute)
        made = runs[command_class] = run, self._success_of(command_class, keeps)
        return made

    def _tell(self, command_class: type[Command], message: Message, outcome: Outcome) -> Outcome:
        """Tell the middleware of ``outcome`` and return it, whatever they do."""
        for one in self._told:
            try:
                if one.applies_to(command_class):
                    Context().run(one.settled, message, outcome)
            except Exception:
                logger.exception("%s.settled() failed for %s.", type(one).__qualname__, message.id)
        return outcome


async def _aside(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what ``function`` returns; if a signal has receivers, it is called in the thread of ``sync_to_async``."""
    if any(signal.receivers for signal in _SIGNALS):
        return await sync_to_async(function)(*args, **kwargs)
    return function(*args, **kwargs)


def _refuse_not_understood(message: Message) -> None:
    """Raise ``NotUnderstood`` if a newer release requires something that this one would leave out."""
    names = message.extras.get("crit", ())
    if names:
        raise NotUnderstood(
            f"It must not be run without {names!r}, which this djutils does not know. A consumer of a newer "
            f"release can run it: upgrade this one."
        )
