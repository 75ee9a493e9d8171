"""`models build` broken at its writes to the disk: the next build ends with the same model, and nothing beside it."""

from functools import partial
from pathlib import Path

from injection import Place, broken, broken_places

from rlvr_bench.console.progress import Unwatched
from rlvr_bench.models.fingerprint import folder_fingerprint
from rlvr_bench.models.organisms import train
from rlvr_bench.models.organisms.build import build_recipe
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.organisms.recipe import Diet, Recipe, Shape, Stage

TINY = Recipe(
    name="tiny",
    description="A tiny organism for tests.",
    shape=Shape(width=16, layers=1, heads=2, feed_forward=16, context=128),
    diets=(Diet(family="chain", levels=(2,), weight=1.0),),
    worked_share=0.5,
    stages=(Stage(name="steps alone", answers="steps", steps=4, learning_rate=1e-2, final_rate=5e-3, warmup=1),),
    examples_per_step=4,
    row=64,
)


def _build(folder: str) -> None:
    train.SAVE_EVERY = 2  # in the fork alone
    build_recipe(TINY, Path(folder), Unwatched(), problems=2)


def _built(place: Place) -> tuple[list[str], str]:
    """Return the names of all files of a built folder, and its fingerprint, which its card has too."""
    fingerprint = folder_fingerprint(place.built)
    assert read_card(place.built).fingerprint == fingerprint
    return sorted(str(path.relative_to(place.built)) for path in place.built.rglob("*")), fingerprint


def test_a_build_broken_at_any_write_ends_with_the_same_model(tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    done = whole.fork(partial(_build, whole.built))
    assert done.returncode == 0, done.stderr
    for place, faults in broken_places(tmp_path, whole.writes):
        broken(place, partial(_build, place.built), faults)
        again = place.fork(partial(_build, place.built))
        assert again.returncode == 0, (faults, again.stderr)
        assert _built(place) == _built(whole), faults
