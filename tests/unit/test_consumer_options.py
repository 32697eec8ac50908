"""What the consumer's command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from djutils.queue.bin.options import Usage, default_logfile, default_pidfile, file_name, parse
from djutils.queue.bin.queue_names import as_words, expanded
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.options import ConsumerOptions


def test_without_options_it_is_one_worker_on_the_default_queue() -> None:
    options = parse(["start"])
    assert options.consumer == ConsumerOptions(queues=())
    assert (options.logfile, options.pidfile, options.timeout, options.log_level) == (
        None,
        None,
        None,
        None,
    )


def test_the_short_options_of_2011_and_ours() -> None:
    words = "run -w 4 -t 8 -d 0.5 -b 2 -m 10 -n -q mail -q thumbs -q mail"
    consumer = parse(words.split()).consumer
    assert consumer == ConsumerOptions(
        queues=("mail", "thumbs"),
        processes=4,
        threads=8,
        delay=0.5,
        backoff=2.0,
        max_delay=10.0,
        periodic=False,
    )


@pytest.mark.parametrize(
    ("words", "queues", "weights"),
    [
        ("-q mail:4 -q thumbs", ("mail", "thumbs"), (4, 1)),
        ("-q mail -q thumbs:1", ("mail", "thumbs"), (1, 1)),
        ("-q mail:4", ("mail",), ()),
        ("-q mail:2 -q mail -q thumbs", ("mail", "thumbs"), (2, 1)),
        ("-q tenant:a -q tenant:42:1", ("tenant:a", "tenant:42"), (1, 1)),
        ("-q tenant:42:1", ("tenant:42",), ()),
    ],
)
def test_a_queue_may_have_a_weight(words: str, queues: tuple[str, ...], weights: tuple[int, ...]) -> None:
    consumer = parse(["run", *words.split()]).consumer
    assert (consumer.queues, consumer.weights) == (queues, weights)
    again = parse(["run", *(f"-q{word}" for word in as_words(consumer))]).consumer
    assert again == consumer


@pytest.mark.parametrize(
    ("words", "queues", "weights"),
    [
        ("-q *", ("site", "mail", "mail.slow", "thumbs"), ()),
        ("-q thumbs -q mail*", ("thumbs", "mail", "mail.slow"), ()),
        ("-q *:1 -q mail:5", ("site", "mail", "mail.slow", "thumbs"), (1, 5, 1, 1)),
        ("-q other -q mail?slow:3", ("other", "mail.slow"), (1, 3)),
        ("-q mail*:2", ("mail", "mail.slow"), (2, 2)),
        ("-q thumb*:2", ("thumbs",), ()),
    ],
)
def test_a_pattern_stands_for_queues_that_the_project_knows(
    words: str, queues: tuple[str, ...], weights: tuple[int, ...]
) -> None:
    consumer = expanded(parse(["run", *words.split()]).consumer, ["site", "mail", "mail.slow", "thumbs"])
    assert (consumer.queues, consumer.weights) == (queues, weights)


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ConsumerError, match=r"No queue matches 'mial\*'.* name: site, mail\.") as caught:
        expanded(parse(["run", "-q", "mial*"]).consumer, ["site", "mail"])
    assert caught.value.exit_code == 78


def test_the_long_options() -> None:
    words = "run --grace 3 --max-commands 7 --max-memory 512 --lease 5 --timeout 0 --log-level debug"
    options = parse(words.split())
    consumer = options.consumer
    assert (consumer.grace, consumer.max_commands, consumer.max_memory, consumer.lease) == (3.0, 7, 512, 5.0)
    assert (options.timeout, options.log_level) == (0.0, "DEBUG")
    assert parse(["run", "-v"]).log_level == "DEBUG"


def test_relative_paths_are_those_of_the_directory_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = parse(["start", "-l", "logs/queue.log", "-p", "~/queue.pid"])
    assert (options.logfile, options.pidfile) == (tmp_path / "logs/queue.log", tmp_path / "queue.pid")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("start -w 0", "must be a whole number of at least 1, not '0'"),
        ("start -t 1.5", "must be a whole number of at least 1, not '1.5'"),
        ("start -d -1", "must be a number of at least 0, not '-1'"),
        ("start -d nan", "must be a number of at least 0, not 'nan'"),
        ("start --grace inf", "must be a number of at least 0, not 'inf'"),
        ("start -b 0.9", "must be a number of at least 1, not '0.9'"),
        ("start --max-memory many", "must be a whole number of at least 0, not 'many'"),
        ("start -q=", "must be the name of a queue"),
        (
            "start -q mail:0",
            "'mail' must have a weight from 1 to 1000, not 0; a queue with the name 'mail:0' is",
        ),
        ("start -q mail:1001", "'mail' must have a weight from 1 to 1000, not 1001"),
        ("start -l=", "must be the path of a file"),
        ("begin", "invalid choice: 'begin'"),
        ("", "required: action"),
    ],
)
def test_a_bad_value_is_explained(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(words.split())
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_longest_wait_shorter_than_the_first_is_refused() -> None:
    with pytest.raises(Usage, match=r"-m.* is 1 s, shorter than .*-d.* with 5 s") as caught:
        parse(["start", "-d", "5", "-m", "1"])
    assert caught.value.exit_code == 2


def test_root_has_the_places_of_2011() -> None:
    assert default_pidfile(["mysite"], root=True) == Path("/var/run/djutils-mysite.pid")
    assert default_logfile(["mysite"], root=True) == Path("/var/log/djutils-mysite.log")


def test_others_have_places_in_their_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    state = tmp_path / ".local" / "state" / "djutils"
    assert default_pidfile(["mysite"], root=False) == state / "djutils-mysite.pid"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_logfile(["a", "b"], root=False) == tmp_path / "state" / "djutils" / "djutils-a+b.log"


def test_names_of_queues_are_made_safe_and_stay_different() -> None:
    names = [["../../etc/passwd"], [".._.._etc_passwd"], ["a/b"], ["a b"], ["é"], ["x" * 500], ["x" * 501]]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(made)
    assert all("/" not in name and len(name) < 120 and name.isascii() for name in made)
