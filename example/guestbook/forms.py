"""The form a visitor fills in."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from .models import Entry

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
"""The formats we take, and the ending a file of each gets, whatever the visitor called it."""


class EntryForm(forms.ModelForm):
    """Name, address, comment and a photo, which must be a picture."""

    class Meta:
        model = Entry
        fields = ("name", "email", "comment", "photo")
        widgets = {
            "name": forms.TextInput(attrs={"placeholder": "Your name", "autocomplete": "name"}),
            "email": forms.EmailInput(
                attrs={"placeholder": "you@example.org (not shown)", "autocomplete": "email"}
            ),
            "comment": forms.Textarea(attrs={"rows": 2, "placeholder": "What would you like to say?"}),
            "photo": forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        }

    def clean_name(self) -> str:
        """Put the name on one line: it goes into the subject of a mail."""
        return " ".join(self.cleaned_data["name"].split())

    def clean_photo(self) -> UploadedFile:
        """Refuse what is too large or not a JPEG, PNG or WebP; Django has made sure it is a picture."""
        photo: UploadedFile = self.cleaned_data["photo"]
        picture = photo.image
        if photo.size > MAX_BYTES:
            limit, size = filesizeformat(MAX_BYTES), filesizeformat(photo.size)
            raise forms.ValidationError(f"This photo has {size}; please choose one of at most {limit}.")
        if picture.format not in ENDINGS:
            raise forms.ValidationError(
                f"This is a {picture.format} file; please choose a JPEG, PNG or WebP."
            )
        if picture.width * picture.height > MAX_PIXELS:
            raise forms.ValidationError("This photo has too many pixels; 40 million are the most.")
        photo.name = f"photo{ENDINGS[picture.format]}"
        return photo
