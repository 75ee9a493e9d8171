"""`models build` broken at its writes to the disk: the next build ends with the same model, and nothing beside it."""

from functools import partial
from pathlib import Path

import pytest
from injection import Place, chosen_points, refuse_tracebacks

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


def _build(folder: Path) -> None:
    train.SAVE_EVERY = 2  # in the fork alone
    build_recipe(TINY, folder, Unwatched(), problems=2)


def _built(place: Place) -> tuple[list[str], str]:
    """Return the names of all files of a built folder, and its fingerprint, which its card has too."""
    folder = place.folder / "built"
    fingerprint = folder_fingerprint(folder)
    assert read_card(folder).fingerprint == fingerprint
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")), fingerprint


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_a_build_broken_at_any_write_ends_with_the_same_model(kind: str, tmp_path: Path) -> None:
    whole = Place(tmp_path)
    done = whole.fork(partial(_build, tmp_path / "built"))
    assert done.returncode == 0, done.stderr
    for point in chosen_points(whole.writes):
        place = Place(tmp_path / f"{kind}-{point}")
        place.folder.mkdir()
        work = partial(_build, place.folder / "built")
        refuse_tracebacks(place.fork(work, fault=f"{kind}:{point}"), kind, point)
        again = place.fork(work)
        assert again.returncode == 0, (point, again.stderr)
        assert _built(place) == _built(whole), point
