"""Running a command at once for a caller that waits for it: eager mode and ``invoker.dequeue()``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .command import Command
from .event_loops import apart
from .exceptions import InvalidMessage, Postpone, TooDangerous
from .executor import Executor
from .message import Action, Delivery, Message, Outcome
from .retry import RetryPolicy
from .verdict import describe


class DirectExecutor(Executor):
    """Runs one delivery as a worker does, but only once, and raises the command's exceptions to the caller.

    A run that fails is neither retried nor logged: the caller, which gets the exception, decides about that.
    """

    _raised: BaseException | None = None

    def run(self, delivery: Delivery, settle: Callable[[Outcome], object] = lambda outcome: None) -> None:
        """Run a delivery, pass its outcome to ``settle``, then raise what the command raised.

        ``SystemExit`` and ``KeyboardInterrupt`` are raised at once; nothing is settled then.
        """
        outcome = apart(partial(self.execute, delivery))
        settle(outcome)
        if self._raised is not None:
            raise self._raised

    def _early_by(self, message: Message) -> float:
        return 0.0  # the caller waits for it now

    def _taken_back(self, message: Message, error: BaseException) -> Outcome:
        raise error

    def _postpone(
        self, command_class: type[Command], message: Message, delivery: Delivery, told: Postpone
    ) -> Outcome:
        outcome = super()._postpone(command_class, message, delivery, told)
        self._raised = self._raised or told
        return outcome

    def _turn_away(self, delivery: Delivery, error: InvalidMessage) -> Outcome:
        self._raised = error
        return Outcome(Action.REJECT, error=describe(error), charge=0)

    def _refuse(
        self, command_class: type[Command], message: Message, error: TooDangerous, text: str
    ) -> Outcome:
        return self._reject(command_class, message, error, text, charge=0)

    def _fail(
        self,
        command_class: type[Command],
        policy: RetryPolicy,
        message: Message,
        delivery: Delivery,
        error: BaseException,
        charge: int = 1,
    ) -> Outcome:
        if not isinstance(error, Exception):
            raise error
        return self._reject(command_class, message, error, describe(error), charge)

    def _reject(
        self, command_class: type[Command], message: Message, error: BaseException, text: str, charge: int
    ) -> Outcome:
        self._raised = error
        return super()._reject(command_class, message, error, text, charge)
