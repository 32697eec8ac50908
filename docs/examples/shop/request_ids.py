import logging
from contextvars import ContextVar
from uuid import uuid4

request_id = ContextVar("request_id", default="-")


def middleware(get_response):
    def with_request_id(request):
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given[:64] or uuid4().hex)
        try:
            return get_response(request)
        finally:
            request_id.reset(token)

    return with_request_id


class WithRequestId(logging.Filter):
    def filter(self, record):
        record.request_id = request_id.get()
        return True
