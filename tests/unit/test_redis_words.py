"""How ids are sent to Redis: at once, but the same bytes as one by one."""

from __future__ import annotations

import pytest

from djutils.queue.backends.redis_client import _bulks, _bulks_of_ids
from djutils.queue.ids import new_id


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [new_id()],
        [new_id() for _ in range(3)],
        [new_id(), "short"],
        ["an id of thirty-two characters é", new_id()],
        ["é" * 16],
    ],
)
def test_ids_are_the_words_that_they_would_be_one_by_one(ids: list[str]) -> None:
    assert _bulks_of_ids(ids) == _bulks(ids)
