"""The guestbook is all there is."""

from __future__ import annotations

from django.conf import settings
from django.urls import path
from django.views.static import serve
from guestbook import views

urlpatterns = [
    path("", views.page, name="page"),
    path("entries/", views.entries, name="entries"),
    path("status/", views.status, name="status"),
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
]
