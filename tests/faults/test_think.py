"""`think --train` broken at its writes to the disk: the same command again ends with the same comparison."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from injection import Place, chosen_points, refuse_tracebacks

from rlvr_bench.cli.main import app

PROBLEMS = ("--set", "levels=[4]", "--set", "train=64", "--set", "validation=32", "--set", "test=32")
TRACES = {"train_problems": 24, "validation_problems": 12, "test_problems": 4, "samples": 4, "max_new_tokens": 40}
OPTIONS = [word for name, value in TRACES.items() for word in ("--option", f"traces.{name}={value}")]
ASK = ("organism-steps", "--task", "chain", *PROBLEMS, *OPTIONS, "--option", "scorer.epochs=1", "--train", "tiny")
MEASURED = ("seconds", "seconds_training", "environment")


def _think(results: Path) -> None:
    app(["think", *ASK, "--scorers", "otv", "--live", "full", "--results", str(results)], standalone_mode=False)


def _document(place: Place) -> dict[str, Any]:
    text = (place.results / "thinking" / "tiny.json").read_text()
    return json.loads(text, object_hook=lambda part: {k: v for k, v in part.items() if k not in MEASURED})  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_a_comparison_broken_at_any_write_ends_as_if_nothing_had_been(kind: str, tmp_path: Path) -> None:
    whole = Place(tmp_path)
    done = whole.fork(partial(_think, whole.results))
    assert done.returncode == 0, done.stderr
    for point in chosen_points(whole.writes, (0.6,)):
        place = Place(tmp_path / f"{kind}-{point}")
        place.folder.mkdir()
        work = partial(_think, place.results)
        refuse_tracebacks(place.fork(work, fault=f"{kind}:{point}"), kind, point)
        again = place.fork(work)
        assert again.returncode == 0, (point, again.stderr)
        assert _document(place) == _document(whole), point
