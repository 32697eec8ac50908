from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from docutils.core import publish_doctree

from bench import chart, guard, results, run
from bench.goals import Goal, goals
from bench.peers.catalogue import LEADERS, declared, modules
from bench.peers.summary import Turn, close


def figures(**medians: float) -> dict[str, Any]:
    names = {
        "enqueue": "enqueue per s",
        "enqueue_part": "enqueue of bare",
        "by_django_part": "enqueue of bare by Django",
        "many_part": "enqueue many of bare",
        "part": "drain of bare",
        "sleeping": "sleep per s, 2 processes",
        "many": "enqueue many per s",
        "one": "drain per s, 1 process",
        "two": "drain per s, 2 processes",
        "kept": "kept per s, 2 processes",
        "p50": "pick-up p50 ms",
        "pss": "pss mb, 1 process",
    }
    return {
        names[name]: {"median": value, "min": value * 0.9, "max": value * 1.1, "all": [value]}
        for name, value in medians.items()
    }


def arranged(kept: str = "yes", **medians: float) -> dict[str, Any]:
    return {"what": "as it comes", "kept": kept, "why": "so it is", "figures": figures(**medians)}


def peer(name: str, **stores: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1.0",
        "python": "3.11",
        "packages": {"redis": "8.0", "Other": "1"},
        "stores": stores,
    }


def found(**peers: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": "2026-11-24",
        "command": "python -m bench --rounds 3 --seed 7",
        "seed": 7,
        "rounds": 3,
        "quick": False,
        "work": "noop",
        "machine": {"processors": 2},
        "stores": {"redis": "appendonly=yes", "sqlite": "WAL"},
        "versions": {"redis": "Redis 8.0"},
        "peers": peers,
        "failed": [{"peer": "arq", "module": "with_arq", "store": "redis", "error": "it broke\nthere"}],
        "not measured": {"Other": "it does not start"},
    }


def on_redis() -> dict[str, Any]:
    """djutils is 11 times as fast as Huey, and 0.25 of the bare store; RQ is behind both."""
    return found(
        with_djutils=peer(
            "djutils",
            redis={
                "default": arranged(enqueue=900, enqueue_part=0.45, one=9_000, two=20_000, part=0.13, pss=50),
                "fastest": arranged(enqueue=1_000, one=44_000, two=30_000, part=0.25, p50=1, pss=61),
            },
        ),
        with_bare=peer(
            "bare",
            redis={
                "default": arranged("stuck", enqueue=2_000, one=100_000, two=150_000, many=10),
                "fastest": arranged("stuck", enqueue=1_900, one=110_000, two=176_000, many=10),
            },
        ),
        with_huey=peer("Huey", redis={"default": arranged("lost", enqueue=1_100, one=2_000, two=4_000)}),
        with_rq=peer("RQ <&>", redis={"default": arranged("failed", enqueue=500, one=100, two=200, many=9)}),
    )


def goal(data: dict[str, Any], what: str, wanted: str) -> Goal:
    return next(one for one in goals(data) if one.what == what and wanted in one.wanted)


# Goals.


def test_a_goal_compares_the_best_arrangements() -> None:
    assert goal(on_redis(), "drain, Redis", "every peer")[2:] == ("11.00 (Huey)", "reached")
    assert goal(on_redis(), "drain, Redis", "bare")[2:] == ("0.25", "missed")


def test_the_one_peer_ahead_is_named() -> None:
    assert goal(on_redis(), "enqueue, Redis", "every peer")[2:] == ("0.91 (Huey)", "missed")


def test_a_call_on_a_database_is_compared_with_a_write_by_django() -> None:
    data = found(
        with_djutils=peer("djutils", sqlite={"fastest": arranged(enqueue_part=0.45, by_django_part=0.9)}),
    )

    assert goal(data, "enqueue, SQLite", "bare SQLite by Django")[2:] == ("0.90", "reached")


def test_a_limit_holds_for_every_configuration() -> None:
    assert goal(on_redis(), "PSS, Redis", "60")[2:] == ("61.0 MB", "missed")


@pytest.mark.parametrize(
    ("what", "wanted"),
    [("drain, SQLite", "Huey"), ("enqueue many, Redis", "bare"), ("pick-up p50, SQLite", "5 ms")],
)
def test_a_goal_without_figures_is_not_measured(what: str, wanted: str) -> None:
    assert goal(on_redis(), what, wanted)[2:] == ("", "not measured")


def test_the_goals_name_peers_that_there_are() -> None:
    named = {one.wanted.rpartition(" x ")[2] for one in goals(found())}

    assert all(
        f"with_{name.replace('-', '_')}" in modules()
        for name in named - {"every peer", "every peer but pgqueuer"}
        if not name.startswith(("bare", "at most"))
    )


def test_a_quick_run_has_peers_that_there_are() -> None:
    assert all(set(stores) <= set(declared(module)["stores"]) for module, stores in LEADERS.items())


# The text.


def test_the_text_is_restructured_text() -> None:
    publish_doctree(results.render(on_redis()), settings_overrides={"halt_level": 2, "report_level": 2})


def test_what_part_of_the_bare_store_a_case_is_stands_beside_what_it_does() -> None:
    line = row(results.render(on_redis()), "djutils", "default")

    assert line.split("  ")[0] == "djutils"
    # Of enqueue, and of the drain; there is no bulk enqueue.
    assert [word for word in line.split() if word.startswith("0.")] == ["0.450", "0.130"]


def test_a_round_is_compared_with_the_bare_store_beside_it() -> None:
    mine = Turn({"each per s": 900}, {1: 300, 2: 200}, {})
    bare = Turn({"each per s": 1_000, "by Django per s": 600, "many per s": 9_000}, {2: 1_200}, {})

    assert mine.of(bare) == {
        "enqueue of bare": 0.9,
        "enqueue of bare by Django": 1.5,
        "drain of bare": 0.25,
    }


def test_a_run_of_other_work_has_its_column_and_no_goals() -> None:
    text = results.render(found(with_rq=peer("RQ", redis={"default": arranged("failed", sleeping=800)})))

    assert "sleep/s, 2" in text
    assert "Goals" not in text


def test_kept_results_stand_beside_the_same_commands_without_them() -> None:
    text = results.render(with_results())

    assert row(text, "Huey", "default").split()[-5:] == [
        "4,000",
        "(3,600-4,400)",
        "1,000",
        "(900-1,100)",
        "0.250",
    ]
    assert "* Huey: results=True.\n" in text
    assert "results kept" in text
    assert "Goals" not in text


def with_results() -> dict[str, Any]:
    """A run as it is before its figures are made: four times as slow with results."""
    arrangement = arranged("lost") | {
        "figures": {
            "drain per s, 2 processes": [3_600, 4_000, 4_400],
            "kept per s, 2 processes": [1_100, 900, 1_000],
        }
    }
    data = found(with_huey=peer("Huey", redis={"default": arrangement}) | {"results": "results=True"})
    close(data)
    return data | {"work": "noop, kept"}


def test_a_note_to_readers_stands_in_the_text() -> None:
    assert "\nA compiler ran meanwhile.\n" in results.render(
        on_redis() | {"note": "A compiler ran meanwhile."}
    )


def test_a_peer_without_kept_results_has_no_part() -> None:
    data = with_results()
    del data["peers"]["with_huey"]["stores"]["redis"]["default"]["figures"]["kept of noop"]

    assert "of noop" not in row(results.render(data), "case", "configuration")


def test_what_a_kill_loses_is_told() -> None:
    assert "lost (at most once)" in row(results.render(on_redis()), "Huey", "default")


def row(text: str, name: str, configuration: str) -> str:
    return next(
        line
        for line in text.splitlines()
        if line.startswith(name) and line.split("  ")[1:] and configuration in line
    )


def test_what_failed_and_what_was_left_out_is_told() -> None:
    text = results.render(on_redis())

    assert "* failed: arq, redis: it broke\n" in text
    assert "* not measured: Other, it does not start\n" in text


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["--rounds", "5", "--seed", "7"], True),
        (["--quick"], False),
        (["--store", "redis"], False),
        (["--work", "sleep"], False),
        (["--from", "run.json"], False),
    ],
)
def test_only_a_run_of_everything_replaces_what_is_published(arguments: list[str], whole: bool) -> None:
    assert run.is_whole(run.parser().parse_args(arguments)) is whole


# The picture.


def texts(picture: str) -> Iterator[str]:
    for node in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        yield "".join(node.itertext())


def test_the_picture_shows_the_fastest_first_and_the_bare_store_as_a_line() -> None:
    shown = list(texts(chart.draw(on_redis())))

    assert shown[:4] == ["Redis: commands per second", "djutils", "44,000", "Huey *"]
    assert "RQ <&>" in shown
    assert "bare Redis 176,000" in shown


def test_a_store_that_was_not_measured_has_no_picture() -> None:
    assert not any("SQLite" in text for text in texts(chart.draw(on_redis())))


# The guard.


def measuring(*ratios: float) -> tuple[guard.Measured, list[list[str]]]:
    """What is found when Redis has these ratios of enqueue one after another, and what was asked."""
    asked: list[list[str]] = []
    coming = iter(ratios)

    def measure(name: str, wanted: list[str]) -> guard.Measured:
        asked.append(wanted)
        return {
            what: {"ours": 1, "bare": 2, "ratio": next(coming) if what == "enqueue" else 0.9}
            for what in wanted
        }

    return guard.tried(["redis"], measure)["redis"], asked


def test_noise_passes_the_guard() -> None:
    measured, asked = measuring(0.1, 0.6)

    assert guard.below("redis", measured) == []
    assert asked == [["enqueue", "drain"], ["enqueue"]]
    assert measured["enqueue"]["attempts"] == 2


def test_what_is_slower_three_times_does_not_pass_the_guard() -> None:
    measured, asked = measuring(0.1, 0.3, 0.2)

    assert guard.below("redis", measured) == ["enqueue"]
    assert len(asked) == 3
    assert measured["enqueue"]["ratio"] == 0.3


def test_the_guard_says_what_has_become_slower() -> None:
    measured, _ = measuring(0.1, 0.3, 0.2)

    enqueue = next(line for line in guard.table({"redis": measured}) if "enqueue" in line)

    assert enqueue.endswith("slower")
