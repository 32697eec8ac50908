from __future__ import annotations

import pytest

from djutils.queue.backends.lanes import stored_name


@pytest.mark.parametrize("name", ["stripe-api", "account 7", "a:b", "n" * 120])
def test_a_short_name_is_kept_as_it_is(name: str) -> None:
    assert stored_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "n" * 121, "straße", "nul \0", "\udcff", "line\nbreak", stored_name("straße")]
)
def test_any_other_is_kept_under_a_name_of_bounded_length_that_no_other_has(name: str) -> None:
    kept = stored_name(name)

    assert kept != name
    assert len(kept) <= 120
    assert kept.isascii()
    assert kept.isprintable()
    assert stored_name(f"{name} ") != kept
