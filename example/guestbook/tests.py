"""``python manage.py test``: the guestbook without a consumer."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from unittest.mock import patch

from django.core.management import call_command
from django.test import Client, override_settings
from PIL import Image

from djutils.queue import Reject, invoker
from djutils.testing import drain

from . import ACCOUNT, spam
from .commands import make_thumbnails, send_mail, sweep_up
from .models import LARGE, SMALL, Entry
from .progress import progress
from .testing import GuestbookTest, picture


class PageTest(GuestbookTest):
    """The page, its admin, and what the commands do."""

    def status_of(self, address: str) -> int:
        with closing(self.client.get(address)) as answer:
            return answer.status_code

    def test_signing_saves_the_entry_and_enqueues_three_commands(self) -> None:
        answer = self.sign()

        entry = Entry.objects.get()
        self.assertRedirects(answer, f"/#entry-{entry.pk}", fetch_redirect_response=False)
        assert len(invoker) == 3
        assert re.search(r"^photos/[0-9a-f]{32}\.jpg$", entry.photo.name)

    @override_settings(QUEUE_EAGER=True)
    def test_the_commands_check_and_shrink_and_mail(self) -> None:
        self.sign(comment="Click here: http://casino.example, free money")

        entry = Entry.objects.get()
        assert "a link" in entry.spam
        for side in (SMALL, LARGE):
            assert (self.folder / "media" / entry.thumbnail(side)).exists()
        (mail,) = self.folder.glob("mails/*/*.log")
        assert "Click here" in mail.read_text()
        assert entry.settled
        assert not progress().going

    @override_settings(QUEUE_EAGER=True)
    def test_what_visitors_write_is_escaped(self) -> None:
        self.sign(name="<b>Ada</b>", comment="<script>alert(1)</script>")

        page = self.client.get("/").content.decode()

        assert "<script>alert" not in page
        assert "<b>Ada" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_a_refused_mail_is_rejected_and_goes_out_when_it_is_replayed(self) -> None:
        self.sign(email="eve@blocked.example")
        entry = Entry.objects.get()

        with self.assertRaisesMessage(Reject, "554 The reply address is on a blocklist"):
            send_mail.call(entry.pk)
        self.assertContains(self.client.get("/"), "mail refused")
        self.assertNotContains(self.client.get("/"), "eve@")

        send_mail.call(entry.pk)
        self.assertNotContains(self.client.get("/"), "mail refused")
        assert len(list(self.folder.glob("mails/*/*.log"))) == 1

    def test_a_photo_that_waits_to_be_developed_can_be_cancelled(self) -> None:
        self.sign()
        entry = Entry.objects.get()
        self.assertContains(self.client.get("/"), "the photo: waiting")

        self.client.post(f"/entries/{entry.pk}/cancel/", {"call": "another"})
        assert len(invoker) == 3
        self.client.post(f"/entries/{entry.pk}/cancel/", {"call": entry.thumbnails_call})
        assert len(invoker) == 2
        drain()

        page = self.client.get("/")
        self.assertContains(page, "the photo: cancelled")
        self.assertContains(page, "not developed")
        self.assertNotContains(page, ">Cancel<")
        assert [Entry.objects.get().thumbnails_at, len(invoker)] == [None, 0]

    def test_a_poster_is_made_once_on_request(self) -> None:
        self.sign()
        drain()
        address = f"/entries/{Entry.objects.get().pk}/poster/"
        self.assertContains(self.client.get("/"), f'formaction="{address}"')

        for _ in range(2):
            self.client.post(address)
        self.assertContains(self.client.get("/live/"), "the poster: waiting")
        assert (len(invoker), Entry.objects.get().settled) == (1, False)
        drain()

        page = self.client.get("/")
        (link,) = re.findall(r'href="/media/(posters/[^"]+)"', page.content.decode())
        assert (self.folder / "media" / link).exists()
        self.assertNotContains(page, address)
        assert Entry.objects.get().settled

    def test_a_poster_that_failed_says_why_and_can_be_made_again(self) -> None:
        self.sign()
        drain()
        entry = Entry.objects.get()
        entry.photo.delete(save=False)
        self.client.post(f"/entries/{entry.pk}/poster/")
        with self.assertRaisesMessage(FileNotFoundError, "No such file"):
            drain(retries=True)

        page = self.client.get("/")

        self.assertContains(page, "the poster: failed")
        self.assertContains(page, "No such file")
        self.assertContains(page, "Make a poster")

    def test_only_a_form_of_the_page_makes_a_poster_or_cancels(self) -> None:
        self.sign()
        entry, stranger = Entry.objects.get(), Client(enforce_csrf_checks=True)
        for what in ("poster", "cancel"):
            address = f"/entries/{entry.pk}/{what}/"
            assert stranger.post(address, {"call": entry.thumbnails_call}).status_code == 403
            assert self.client.get(address).status_code == 405
        assert len(invoker) == 3

    def test_the_live_part_leaves_out_the_entries_that_the_page_knows_to_be_done(self) -> None:
        for name in ("Ada", "Bea"):
            self.sign(name=name)
        ada, bea = Entry.objects.all()

        part = self.client.get("/live/", {"page": "1", "settled": f"{ada.pk},x"})

        self.assertNotContains(part, f'id="entry-{ada.pk}"')
        self.assertContains(part, f'id="entry-{bea.pk}"')
        self.assertContains(part, "<b>6</b> waiting or running")
        self.assertNotContains(part, "<form")

    def test_the_page_shows_the_oldest_entry_first_and_leads_to_the_one_just_signed(self) -> None:
        with patch("guestbook.views.PER_PAGE", 1):
            self.sign(name="Ada")
            answer = self.sign(name="Bea")

            ada, bea = Entry.objects.all()
            self.assertRedirects(answer, f"/?page=2#entry-{bea.pk}", fetch_redirect_response=False)
            self.assertContains(self.client.get("/"), f'id="entry-{ada.pk}"')
            self.assertContains(self.client.get("/?page=2"), f'id="entry-{bea.pk}"')

    @override_settings(GUESTBOOK_VISITORS=2)
    def test_the_page_is_live_until_the_last_visitor_has_signed(self) -> None:
        live = "data-going"
        self.assertContains(self.client.get("/"), live)
        with override_settings(QUEUE_EAGER=True):
            self.sign()
            self.assertContains(self.client.get("/"), live)
            self.sign()

        self.assertNotContains(self.client.get("/"), live)

    def test_a_page_may_run_no_inline_script(self) -> None:
        self.sign()
        for address in ("/", "/live/", "/admin/login/"):
            with self.subTest(address):
                answer = self.client.get(address)

                page = answer.content.decode()
                assert not re.search(r"<script(?![^>]* src=)|<style|\bon\w+=|\bstyle=", page)
                assert "default-src 'self'" in answer["Content-Security-Policy"]
                statuses = [self.status_of(file) for file in re.findall(r'"(/static/[^"]+)"', page)]
                assert set(statuses) <= {200}

    def test_the_account_has_the_password_of_the_last_run_and_sees_the_entries(self) -> None:
        for password in ("first-run", "second-run"):
            with patch.dict(os.environ, GUESTBOOK_PASSWORD=password):
                call_command("start_over")
        assert not self.client.login(username=ACCOUNT, password="first-run")
        assert self.client.login(username=ACCOUNT, password="second-run")
        self.sign()

        self.assertContains(self.client.get("/admin/guestbook/entry/"), "Ada")

        call_command("close_admin")
        assert not self.client.login(username=ACCOUNT, password="second-run")

    def found(self, term: str) -> list[str]:
        """Return who is found in the admin."""
        page = self.client.get("/admin/guestbook/entry/", {"q": term}).content.decode()
        return re.findall(r'class="field-name"><a[^>]*>([^<]+)', page)

    def test_the_admin_finds_entries_whatever_their_accents(self) -> None:
        self.log_in()
        self.sign(name="Zoë", comment="Greetings from the Hauptstraße.")

        assert [self.found(term) for term in ("zoe", "ZOË", "strasse", "Ada")] == [["Zoë"]] * 3 + [[]]

    def test_entries_of_an_older_guestbook_are_indexed_from_the_admin_which_shows_how_far_it_is(self) -> None:
        self.log_in()
        Entry.objects.bulk_create(Entry(name=f"Zoë {number}") for number in range(450))
        address, first = "/admin/guestbook/entry/", Entry.objects.values_list("pk", flat=True)[0]
        chosen = {"action": "index_all", "_selected_action": first}

        self.assertContains(self.client.post(address, chosen, follow=True), "Indexing: ready")
        drain()

        self.assertContains(self.client.get(address), "Indexing: successful, 450 of 450 entries")
        self.assertNotContains(self.client.get(address), "Indexing:")
        assert set(Entry.objects.values_list("search", flat=True)) == {f"zoe {n} " for n in range(450)}

    def test_a_name_of_two_lines_cannot_get_into_the_head_of_a_mail(self) -> None:
        self.sign(name="Ada\nBcc: everybody@example.org")

        assert Entry.objects.get().name == "Ada Bcc: everybody@example.org"

    def test_what_is_not_a_photo_is_refused(self) -> None:
        for photo in (b"", b"<?php", picture()[:200], picture("GIF")):
            with self.subTest(photo[:10]):
                answer = self.sign(photo)

                self.assertContains(answer, 'role="alert"', status_code=422)
        assert (Entry.objects.count(), len(invoker)) == (0, 0)

    def test_a_photo_that_is_too_large_is_refused(self) -> None:
        answer = self.sign(picture() + bytes(9 * 1024 * 1024))

        self.assertContains(answer, "at most 8.0", status_code=422)

    def test_a_form_from_elsewhere_is_refused(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/", {"name": "Mallory"})

        assert answer.status_code == 403

    def test_thumbnails_are_upright_and_say_nothing_of_the_camera(self) -> None:
        self.sign(picture(size=(1600, 1200), orientation=6))
        entry = Entry.objects.get()

        make_thumbnails.call(entry.pk)

        with Image.open(self.folder / "media" / entry.large) as large:
            assert (large.size, dict(large.getexif())) == ((960, 1280), {})

    def test_sweeping_removes_only_old_photos_of_no_entry(self) -> None:
        self.sign()
        photos = self.folder / "media" / "photos"
        known, old, young = next(photos.iterdir()), photos / "old.jpg", photos / "young.jpg"
        for path in (old, young):
            path.touch()
        for path in (known, old):
            os.utime(path, (time.time() - 7200,) * 2)

        sweep_up()

        assert set(photos.iterdir()) == {known, young}

    def test_one_link_or_some_shouting_is_not_yet_spam(self) -> None:
        assert spam.reasons("Ada", "My photos: https://ada.example") == []
        assert spam.reasons("Ada", "WHAT A VIEW, WHAT A NIGHT, WHAT A BREAKFAST") == []
