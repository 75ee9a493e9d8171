"""`think --train` broken at its writes to the disk: the same command again ends with the same comparison."""

import json
from pathlib import Path
from typing import Any

from forks import Work
from injection import Place, broken, broken_places, verb

PROBLEMS = ("--set", "levels=[4]", "--set", "train=64", "--set", "validation=32", "--set", "test=32")
TRACES = {"train_problems": 24, "validation_problems": 12, "test_problems": 4, "samples": 4, "max_new_tokens": 40}
OPTIONS = [word for name, value in TRACES.items() for word in ("--option", f"traces.{name}={value}")]
ASK = ("organism-steps", "--task", "chain", *PROBLEMS, *OPTIONS, "--option", "scorer.epochs=1", "--train", "tiny")
MEASURED = ("seconds", "seconds_training", "environment")


def _work(place: Place) -> Work:
    return verb("think", *ASK, "--scorers", "otv", "--live", "full", "--results", place.results)


def _document(place: Place) -> dict[str, Any]:
    text = (place.results / "thinking" / "tiny.json").read_text()
    return json.loads(text, object_hook=lambda part: {k: v for k, v in part.items() if k not in MEASURED})  # type: ignore[no-any-return]


def test_a_comparison_broken_at_any_write_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    done = whole.fork(_work(whole))
    assert done.returncode == 0, done.stderr
    for place, faults in broken_places(tmp_path, whole.writes):
        broken(place, _work(place), faults)
        again = place.fork(_work(place))
        assert again.returncode == 0, (faults, again.stderr)
        assert _document(place) == _document(whole), faults
