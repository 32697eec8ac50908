"""The pages of the dead letters, where they are replayed and discarded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext

from djutils.models import QueueDeadLetter
from djutils.queue.dead_groups import DeadGroup, dead_groups
from djutils.queue.wording import first_line, plain

from . import asking, deciding, showing
from .asking import Filter
from .deciding import Going, Verb
from .pages import QueuePages
from .showing import Moment


class GroupRow(NamedTuple):
    """Dead letters of one cause."""

    parts: Sequence[str]
    """The name of the command, to be broken between these."""
    queue: str
    kind: str
    line: str
    recent: Sequence[str]
    size: str
    letters: str
    """The list of them."""
    newest: Moment
    newest_url: str
    reason: str


@admin.register(QueueDeadLetter)
class QueueDeadLetterAdmin(QueuePages):
    """Messages that will not be retried: inspect, replay or discard them."""

    states = ("dead",)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return whether this user may discard."""
        return request.user.has_perm("djutils.delete_queuedeadletter")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may replay, which runs code and so has a separate permission."""
        return request.user.has_perm("djutils.replay_queuedeadletter")

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("groups/", self.groups_view, "groups"),
            *super().get_urls(),
            self._path("<path:object_id>/replay/", self.replay_view, "replay"),
            self._path("<path:object_id>/delete/", self.delete_view, "delete"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; a POST replays or discards the selected ones, or everything that matches the filter."""
        if request.method != "POST":
            return super().changelist_view(request, {"groups": self._at("groups"), **(extra_context or {})})
        self._enter(request)
        word, _, scope = request.POST.get("action", "").partition("_")
        if word == "replay":
            return self._act(request, "replay", scope)
        if word == "discard":
            return self._act(request, "discard", scope)
        return HttpResponseRedirect(request.get_full_path())

    def groups_view(self, request: HttpRequest) -> HttpResponse:
        """Show the dead letters of every queue by cause, those with the most first."""
        self._enter_to_look(request)
        known, problem = asking.chosen("")
        problems, groups, cut = [problem] if problem else [], list[DeadGroup](), list[str]()
        for queue in known:
            try:
                found = dead_groups(queue)
            except Exception as error:  # noqa: BLE001  (a backend may raise anything)
                problems.append(asking.explain(queue.name, error))
                continue
            groups += found.groups
            cut += [queue.name] if found.is_cut else []
        rows = [self._group_row(one) for one in sorted(groups, key=lambda one: -one.size)]
        title = gettext("Dead letters by cause")
        return self._render(request, "dead_groups", title=title, rows=rows, problems=problems, cut=cut)

    def _group_row(self, one: DeadGroup) -> GroupRow:
        newest = one.newest.snapshot
        wanted = Filter(queue=one.queue, command=one.command, reason=one.kind)
        return GroupRow(
            showing.breakable(plain(one.command)),
            one.queue,
            plain(one.kind),
            plain(one.line),
            [showing.number(number) for number in one.recent],
            showing.number(one.size),
            self._at("changelist") + wanted.query(),
            showing.ago(newest.died),
            self._page_of(showing.key_of(one.queue, newest.id)),
            first_line(newest.error),
        )

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Replay one, by POST only."""
        self._enter(request)
        if request.method == "POST":
            self._decide_on_one(request, "replay", object_id)
        return HttpResponseRedirect(self._at("change", object_id))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask whether to discard one; a POST discards it."""
        self._enter(request)
        self._check(request, "discard")
        if request.method == "POST":
            self._decide_on_one(request, "discard", object_id)
            return HttpResponseRedirect(self._at("changelist"))
        found, problems, _ = self._find(object_id)
        if problems or len(found) != 1 or found[0].snapshot.state != "dead":
            return HttpResponseRedirect(self._at("change", object_id))
        return self._confirm(
            request,
            "discard",
            "1",
            rows=showing.rows(found, self._page_of),
            back=self._at("change", object_id),
        )

    def _check(self, request: HttpRequest, verb: Verb) -> None:
        may = self.has_replay_permission if verb == "replay" else self.has_delete_permission
        if not may(request):
            raise PermissionDenied

    def _decide_on_one(self, request: HttpRequest, verb: Verb, object_id: str) -> None:
        self._check(request, verb)
        found, problems, _ = self._find(object_id)
        if len(found) == 1:
            (one,) = found
            key = showing.key_of(one.queue.name, one.snapshot.id)
            self._finish(request, verb, [key], deciding.repr_of(one))
        else:
            self._say(request, problems or [gettext("Nothing was changed: there is no such dead letter.")])

    def _act(self, request: HttpRequest, verb: Verb, scope: str) -> HttpResponse:
        self._check(request, verb)
        if scope == "matching":
            return self._act_on_all(request, verb)
        keys = [*dict.fromkeys(request.POST.getlist("selected"))]
        if not keys:
            self._say(
                request, [gettext("Nothing was changed: no dead letter was selected.")], messages.WARNING
            )
        elif verb == "discard" and "confirmed" not in request.POST:
            return self._confirm(request, verb, showing.letters(len(keys)), keys=keys)
        else:
            self._finish(request, verb, keys)
        return HttpResponseRedirect(request.get_full_path())

    def _finish(self, request: HttpRequest, verb: Verb, keys: Sequence[str], what: str = "") -> None:
        """Decide on the messages of ``keys``, record it, and say what came of it."""
        done = deciding.decide(verb, keys, self._by(request))
        if done.number:
            what = (
                what
                or f"{showing.letters(done.number)} of {len(keys)} selected, on {showing.named(done.queues)}"
            )
            only = keys[0] if len(keys) == 1 else ""
            deciding.record(request.user, verb, what, () if only else keys, only)
            self._say(request, [_success(verb, done.number)], messages.SUCCESS)
        elif not done.problems:
            self._say(
                request,
                [gettext("Nothing was changed: none of these is a dead letter any more.")],
                messages.WARNING,
            )
        self._say(request, done.problems)

    def _act_on_all(self, request: HttpRequest, verb: Verb) -> HttpResponse:
        wanted, here = Filter.of(request.GET), request.get_full_path()
        if "progress" not in request.POST:
            return self._begin(request, verb, wanted)
        try:
            began = Going.of(request.POST["progress"])
        except ValueError:
            self._say(request, [gettext("Nothing was changed: the form was not complete. Begin again.")])
            return HttpResponseRedirect(here)
        done = deciding.carry_out(verb, began, wanted.sought, self._by(request))
        if done.number:
            deciding.record(request.user, verb, deciding.described(done, began, wanted))
        if done.progress.queues:
            return self._render(
                request,
                "progress",
                title=deciding.DONE[verb],
                verb=verb,
                count=showing.letters(done.progress.done),
                progress=str(done.progress),
                problems=[done.problem] if done.problem else [],
                words=wanted.in_words(),
                back=here,
            )
        self._say(request, [_success(verb, done.progress.done)], messages.SUCCESS)
        return HttpResponseRedirect(here)

    def _begin(self, request: HttpRequest, verb: Verb, wanted: Filter) -> HttpResponse:
        """Ask for confirmation that everything that matches is meant."""
        chosen, problem = asking.chosen(wanted.queue)
        try:
            progress = Going.begin(chosen)
            guess = deciding.estimate(chosen, wanted, asking.MOST)
        except Exception as error:  # noqa: BLE001  (a backend may raise anything)
            problem = problem or asking.explain(wanted.queue or "of this project", error)
        if problem:
            self._say(request, [problem])
            return HttpResponseRedirect(request.get_full_path())
        count = showing.letters(guess.number)
        return self._confirm(
            request,
            verb,
            count if guess.is_exact else gettext("at least %s") % count,
            progress=str(progress),
            matching=True,
            words=wanted.in_words(),
            queues=showing.named(chosen),
            until=showing.ago(progress.until).exact,
        )

    def _confirm(self, request: HttpRequest, verb: Verb, count: str, **context: Any) -> HttpResponse:
        title = gettext("Replay %s?") if verb == "replay" else gettext("Discard %s?")
        context = {"title": title % count, "verb": verb, "back": request.get_full_path(), **context}
        return self._render(request, "confirm", **context)

    def _by(self, request: HttpRequest) -> str:
        return f"{request.user.get_username()} (admin)"

    def _say(self, request: HttpRequest, texts: Sequence[str], level: int = messages.ERROR) -> None:
        for text in texts:
            self.message_user(request, text, level)


def _success(verb: Verb, count: int) -> str:
    letters = showing.letters(count)
    return f"{letters} will run again." if verb == "replay" else f"{letters} discarded."
