"""`think --train --trainings N`: which documents are made, and of what."""

from pathlib import Path

from rlvr_bench.cli.think import _of_trainings
from rlvr_bench.thinking.request import ThinkRequest

REQUEST = ThinkRequest("organism-steps", {"name": "chain"}, None, {"scorer": {"rank": 4, "seed": 9}})


def test_without_a_number_of_trainings_the_one_that_was_asked_for_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "x.json").touch()
    assert list(_of_trainings(REQUEST, tmp_path, "x", None)) == [(tmp_path / "x.json", REQUEST)]


def test_trainings_differ_in_their_seed_alone_and_those_that_are_there_stay(tmp_path: Path) -> None:
    there = tmp_path / "trainings" / "x-training-1.json"
    there.parent.mkdir()
    there.touch()
    made = dict(_of_trainings(REQUEST, tmp_path, "x", 3))
    assert list(made) == [tmp_path / "x.json", tmp_path / "trainings" / "x-training-2.json"]
    assert [request.settings for request in made.values()] == [
        {"scorer": {"rank": 4, "seed": 0}},
        {"scorer": {"rank": 4, "seed": 2}},
    ]
