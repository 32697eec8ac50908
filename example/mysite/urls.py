"""The guestbook, and Django's admin."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles.views import serve as serve_static
from django.http import HttpResponse
from django.urls import path
from django.views.static import serve
from guestbook import views

urlpatterns = [
    path("", views.page, name="page"),
    path("live/", views.live, name="live"),
    path("entries/<int:pk>/poster/", views.poster, name="poster"),
    path("entries/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("status/", views.status, name="status"),
    path("admin/", admin.site.urls),
    path("favicon.ico", lambda request: HttpResponse(status=204)),  # the admin's pages name none
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
    # "insecure" means slow and without caching: good for an example on 127.0.0.1.
    path("static/<path:path>", serve_static, {"insecure": True}),
]
