"""Visitors who sign the guestbook as a browser does: they fetch the page, fill in the form, send it."""

from __future__ import annotations

import mimetypes
import random
import re
import uuid
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

NAMES = """Ada Brandt|Björn Eklund|Chiara Conti|Dmitri Volkov|Élodie Marchand|Femke de Vries|Grace Okafor|Hana Novotná
Ibrahim Çelik|Jun Tanaka 田中|Katarzyna Wójcik|Liam O'Brien|María José Peña|Nils & Nora|Olena Шевченко|Pita Tāmati
Quentin <b>Bold</b>|Rosa Lindgren|Søren Kjær|Tomás Ruiz""".replace("\n", "|").split("|")

COMMENTS = """The path along the shore was closed, so we swam. Would do it again.
We came for one night and stayed for four. Thank you for the soup!
Woke at five, walked up in the dark, and there it was. See the photo.
Is the old boat still there? My grandfather built it in 1957.
Five stars for the view, one for the mattress, six for the dog.
Tout était parfait, surtout le silence. Merci, et à l'année prochaine !
It rained for three days and we did not mind at all. ☔
Es war wunderschön. Der Weg über den Grat ist leichter, als er aussieht.
We got lost behind the second ridge; a marker at the fork would be kind.
山の空気がとてもおいしかったです。また来ます。
To the one who left the map in the hut: you saved our afternoon.
The kids want to move here. So do we, to be honest.
Lovely place <script>alert("hello")</script> & lovely people.
Volvimos después de veinte años y el lago sigue igual. Qué suerte.
The stars! We switched off everything and lay on the jetty until two.
I proposed up there. The answer was yes. Photo taken one minute later.""".splitlines()

SPAM = """CLICK HERE for CHEAP PILLS!!! http://pills.example http://more-pills.example
Free money with crypto, limited offer: www.coins.example
Best online casino, click here https://casino.example
I work from home and earn 9000 a week, click here: http://rich.example
Dear webmaster, our SEO puts you first everywhere: https://seo.example https://seo2.example""".splitlines()


class Visitor(NamedTuple):
    """Who signs, and with what."""

    name: str
    email: str
    comment: str
    photo: Path


def visitors(count: int, photos: list[Path]) -> Iterator[Visitor]:
    """Yield ``count`` visitors: every eighth is a spammer, and the mail about two of them fails.

    About one it finds the mail server down, which a retry gets over; about another, if there are two, it is
    refused, which makes a dead letter.
    """
    rng = random.Random(2011)
    hosts = {min(2, count - 2): "blocked.example", min(4, count - 1): "unlucky.example"}
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        comment = COMMENTS[number % len(COMMENTS)]
        if number % 8 == 6:
            name, comment = (
                rng.choice(("Best Deals", "xX_Winner_Xx", "SEO Team")),
                SPAM[number // 8 % len(SPAM)],
            )
        yield Visitor(
            name,
            f"visitor{number + 1}@{hosts.get(number, 'example.org')}",
            comment,
            photos[number % len(photos)],
        )


def sign(site: str, visitor: Visitor) -> None:
    """Sign the guestbook at ``site``; raises ``RuntimeError`` with the page's own words if it refuses."""
    # The environment may name a proxy, which knows nothing about this machine's own 127.0.0.1.
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    page = browser.open(site, timeout=60).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    if token is None:
        raise RuntimeError(f"There is no form to sign on {site}.")
    fields = {"csrfmiddlewaretoken": token[1], **visitor._asdict()}
    photo = fields.pop("photo")
    boundary = uuid.uuid4().hex
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Referer": site}
    try:
        browser.open(Request(site, multipart(boundary, fields, photo), headers), timeout=60).close()
    except HTTPError as error:
        words = re.findall(r'role="alert">([^<]+)', error.read().decode(errors="replace"))
        raise RuntimeError(
            f"The guestbook refused {visitor.name} ({error.code}): {' '.join(words)}"
        ) from error


def multipart(boundary: str, fields: dict[str, str], photo: Path) -> bytes:
    """Return the body of a form with a file, as RFC 7578 wants it."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    kind = mimetypes.guess_type(photo.name)[0] or "application/octet-stream"
    disposition = f'form-data; name="photo"; filename="{photo.name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join([*parts, head, photo.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
