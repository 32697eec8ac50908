"""What the tests of the guestbook have in common."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.http import HttpResponse
from django.test import TestCase, override_settings
from PIL import Image

from . import ACCOUNT

ORIENTATION = 0x0112


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40), orientation: int = 1) -> bytes:
    """Return a small picture as a file."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **({"exif": exif} if kind == "JPEG" else {}))
    return file.getvalue()


class GuestbookTest(TestCase):
    """All files are in a folder that is removed."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.enterContext(
            override_settings(
                MEDIA_ROOT=self.folder / "media",
                GUESTBOOK_MAILS=self.folder / "mails",
            )
        )

    def sign(self, photo: bytes | None = None, **fields: str) -> HttpResponse:
        fields = {"name": "Ada", "email": "ada@example.org", "comment": "Lovely."} | fields
        upload = SimpleUploadedFile("me.exe.jpg", picture() if photo is None else photo)
        return self.client.post("/", {**fields, "photo": upload})

    def log_in(self) -> None:
        with patch.dict(os.environ, GUESTBOOK_PASSWORD="secret"):
            call_command("start_over")
        self.client.login(username=ACCOUNT, password="secret")
