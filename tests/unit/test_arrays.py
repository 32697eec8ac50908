"""Array literals: what PostgreSQL reads is what was written; the contract of backends tries them on a server."""

from __future__ import annotations

import pytest

from djutils.queue.backends.database_sql.arrays import bytes_array, number_array, text_array


@pytest.mark.parametrize(
    ("words", "literal"),
    [
        ([], "{}"),
        ([""], '{""}'),
        (["one", "two"], '{"one","two"}'),
        (["null", "a,b", "{c}", " d "], '{"null","a,b","{c}"," d "}'),
        (['a"b', "c\\d"], r'{"a\"b","c\\d"}'),
    ],
)
def test_words_keep_what_they_are(words: list[str], literal: str) -> None:
    assert text_array(words) == literal


def test_bytes_and_numbers() -> None:
    assert bytes_array([b"", b"\x00\xff\\"]) == r'{"\\x","\\x00ff5c"}'
    assert number_array([1, -2, 3]) == "{1,-2,3}"
