"""``python manage.py test``: the options of the commands, such as limits and what is retried."""

from __future__ import annotations

import os
import time
from smtplib import SMTPServerDisconnected
from unittest.mock import patch

from django.template import TemplateDoesNotExist

from djutils.queue import invoker, schedules
from djutils.testing import drain

from .commands import remove_old_posters, send_mail
from .models import Entry
from .progress import progress
from .testing import GuestbookTest


class OptionsTest(GuestbookTest):
    """What is done in which case, and how often."""

    def test_a_mail_server_that_is_down_is_asked_again(self) -> None:
        self.sign(email="una@unlucky.example")

        with self.assertRaisesMessage(SMTPServerDisconnected, "The mail server is down"):
            drain()
        assert invoker.queue.stats().delayed == 1

        drain(retries=True)
        assert Entry.objects.get().mail_attempts == 2
        assert len(list(self.folder.glob("mails/*/*.log"))) == 1

    def test_a_mistake_in_the_mail_is_a_dead_letter_at_once(self) -> None:
        self.sign()

        mistake = patch("guestbook.commands.render_to_string", side_effect=TemplateDoesNotExist("mail.txt"))
        with mistake, self.assertRaisesMessage(TemplateDoesNotExist, "mail.txt"):
            drain(retries=True)

        assert (Entry.objects.get().mail_attempts, invoker.queue.stats().dead) == (1, 1)

    def test_of_an_entry_that_was_removed_nothing_is_left_to_do(self) -> None:
        self.sign()
        entry = Entry.objects.get()
        self.client.post(f"/entries/{entry.pk}/poster/")
        assert len(invoker) == 4

        entry.delete()
        drain()

        assert sum(invoker.queue.stats()) == 0
        assert not list(self.folder.glob("mails/*/*.log"))

    def test_the_mail_server_gets_no_more_mails_than_it_takes(self) -> None:
        entries = [
            Entry.objects.create(name=f"Ada {number}", email="ada@example.org") for number in range(100)
        ]
        began = time.monotonic()
        invoker.enqueue_many(send_mail.command(entry.pk) for entry in entries)

        at_once = len(drain())

        assert 10 <= at_once <= 10 + 50 * (time.monotonic() - began)
        assert progress().waiting == 100 - at_once, "a mail that waits for its turn is still to be sent"
        assert len(drain(delays=True)) == 100 - at_once
        assert len(list(self.folder.glob("mails/*/*.log"))) == 100

    def test_a_poster_that_no_worker_began_within_an_hour_is_not_made(self) -> None:
        self.sign()
        drain()
        with patch("time.time", return_value=time.time() - 3601):
            self.client.post(f"/entries/{Entry.objects.get().pk}/poster/")

        drain()

        assert not (self.folder / "media" / "posters").exists()
        page = self.client.get("/")
        self.assertContains(page, "the poster: cancelled")
        self.assertContains(page, "Make a poster")

    def test_at_night_the_posters_are_removed_that_no_page_links_to_any_more(self) -> None:
        posters = self.folder / "media" / "posters"
        posters.mkdir(parents=True)
        for name, days in {"00001.jpg": 3, "00002.jpg": 1}.items():
            (posters / name).touch()
            os.utime(posters / name, (time.time() - days * 24 * 3600,) * 2)

        remove_old_posters()
        drain()

        assert [poster.name for poster in posters.iterdir()] == ["00002.jpg"]

    def test_posters_are_removed_at_night_once_for_all_the_nights_that_were_missed(self) -> None:
        nightly = schedules.get("guestbook.commands.remove_old_posters")

        (moment,) = nightly.next()

        assert (moment.hour, moment.minute) == (3, 30)
        assert (nightly.misfire, nightly.overlap) == ("once", "skip")

    def test_two_clicks_index_the_entries_once(self) -> None:
        self.log_in()
        self.sign()
        drain()
        chosen = {"action": "index_all", "_selected_action": Entry.objects.get().pk}

        for _ in range(2):
            answer = self.client.post("/admin/guestbook/entry/", chosen, follow=True)

        self.assertContains(answer, "Indexing: ready")
        assert len(invoker) == 1
        assert [call.command for call in drain()] == ["guestbook.commands.index_entries"]
