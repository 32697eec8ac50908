from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from djutils.queue import ResultStatus, invoker
from djutils.queue.exceptions import ResultNotFound

from .exports import export_addresses


def begin_export(request):
    result = export_addresses(request.POST["domain"])
    request.session["export"] = result.id
    return redirect("/export/")


def show_export(request):
    try:
        result = invoker.result(request.session.get("export", ""))
    except ResultNotFound:
        raise Http404("There is no such export, or it is older than a week.") from None
    if not result.is_finished:
        return HttpResponse("It is being made.", status=202, headers={"Refresh": "2"})
    if result.status != ResultStatus.SUCCESSFUL:
        return HttpResponse("It could not be made.", status=500)
    return HttpResponse("\n".join(result.return_value), content_type="text/plain")
