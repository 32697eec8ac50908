from django.http import HttpResponse
from django.views.decorators.http import require_POST

from djutils.queue import Cancellation, invoker


@require_POST
def cancel_newsletter(request):
    result = invoker.result(request.session["newsletter"])
    match result.cancel():
        case Cancellation.REMOVED:
            return HttpResponse("It will not be sent.")
        case Cancellation.TOO_LATE:
            return HttpResponse("It has been sent already.")
        case _:
            return HttpResponse("It is being sent, and ends in a moment.")
