"""``@queue_command(models="fresh")``: a model instance among the arguments is fetched when the command runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, TypedDict

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Model

from djutils.queue.command import Command
from djutils.queue.command_options import Option
from djutils.queue.exceptions import Drop, NotUnpicklable, Reject
from djutils.queue.message import Message
from djutils.queue.references import Reference, load, references_in

from .base import Middleware

_WAYS = ("retry", "discard", "fail")


class ModelOptions(TypedDict, total=False):
    """The options of ``FreshModels``."""

    models: Annotated[Literal["fresh"], Option(lambda value: value == "fresh", "'fresh'")]
    on_missing: Annotated[
        Literal["retry", "discard", "fail"],
        Option(lambda value: value in _WAYS, "'retry', 'discard' or 'fail'"),
    ]


class FreshModels(Middleware):
    """Fetches the instances that the command's arguments refer to, with one query for each model and database.

    Inside the transaction of an atomic command. If a row is missing, the command does not run: its model's ``DoesNotExist``
    is raised, or ``Drop`` or ``Reject``, as ``on_missing`` says. Raises ``NotUnpicklable`` for a model or a database that
    this process does not have.
    """

    options = ModelOptions

    def applies_to(self, command_class: type[Command]) -> bool:
        return command_class.models is not None

    def run(self, command: Command, message: Message) -> Iterator[None]:
        wanted = references_in(message.body)
        found = _fetched(wanted)
        if missing := wanted - found.keys():
            raise _told(command, sorted(missing))
        command.data = load(message.body, found.__getitem__)
        yield


def _fetched(references: Iterable[Reference]) -> dict[Reference, Model]:
    """Return the instances, by their references; those that are missing are left out."""
    places: defaultdict[tuple[str, str], list[Reference]] = defaultdict(list)
    for one in references:
        places[one.model, one.alias].append(one)
    found: dict[Reference, Model] = {}
    for (_, alias), group in places.items():
        model = _model_of(group[0])
        keys = {one: _key_of(model, one) for one in group}
        rows = model._base_manager.using(alias).in_bulk(keys.values())
        found |= {one: rows[key] for one, key in keys.items() if key in rows}
    return found


def _model_of(reference: Reference) -> type[Model]:
    try:
        model: type[Model] = apps.get_model(reference.model)
    except (LookupError, ValueError):
        raise NotUnpicklable(
            f"It refers to {reference}, and no installed app of this process has the model '{reference.model}'. Does this "
            f"consumer run the newest code?"
        ) from None
    if reference.alias not in connections.settings:
        raise NotUnpicklable(
            f"It refers to {reference}, and DATABASES of this process has no '{reference.alias}'. Add it for the consumers."
        )
    return model


def _key_of(model: type[Model], reference: Reference) -> Any:
    try:
        key = model._meta.pk.to_python(reference.key)
    except (ValidationError, ValueError, TypeError) as error:
        raise NotUnpicklable(
            f"It refers to {reference}, and that is not a primary key of '{reference.model}' here. Was the field changed?"
        ) from error
    return tuple(key) if isinstance(key, list) else key  # of a composite one


def _told(command: Command, missing: list[Reference]) -> Exception:
    """Return what is to be raised for rows that are missing."""
    names = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    text = f"There is no row of {names}: deleted, or not committed yet. The command did not run."
    match command.on_missing:
        case "discard":
            return Drop(text)
        case "fail":
            return Reject(text)
    model: Any = _model_of(missing[0])
    raised: Exception = model.DoesNotExist(text)
    return raised
