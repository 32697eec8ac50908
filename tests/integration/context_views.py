"""Views that call commands, the middleware that says which request it is, and the URLs."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.project.app import context
from tests.project.app.models import Place


class RequestId:
    """Keeps the id of a request while it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = context.request_id.set(request.headers["X-Request-ID"])
        try:
            return self.get_response(request)
        finally:
            context.request_id.reset(token)


def tell(request: HttpRequest) -> HttpResponse:
    """Call a command."""
    context.tell_context(request.GET["file"])
    return HttpResponse()


async def tell_later(request: HttpRequest) -> HttpResponse:
    """Call a command from a coroutine."""
    await context.tell_context_later.acall(request.GET["file"])
    return HttpResponse()


async def visit(request: HttpRequest) -> HttpResponse:
    """Create a row, and call a command with it, from a coroutine."""
    place = await Place.objects.acreate(name=request.GET["name"])
    await context.visit_later.acall(request.GET["file"], [place])
    return HttpResponse()


urlpatterns = [path("tell/", tell), path("tell-later/", tell_later), path("visit/", visit)]
