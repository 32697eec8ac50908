from django.http import JsonResponse

from djutils.queue import invoker


def how_far(request):
    result = invoker.result(request.session["import"])
    progress = result.progress
    return JsonResponse(
        {
            "status": result.status,
            "done": progress.done if progress else 0,
            "total": progress.total if progress else None,
            "note": progress.note if progress else "",
        }
    )
