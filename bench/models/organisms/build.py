"""`rlvr-bench models build NAME [--set KEY=VALUE]`: pre-train, measure, write a folder that transformers loads.

Interrupted at any moment, the next call goes on from the last checkpoint (`<folder>/.build`).
"""

import json
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, LlamaForCausalLM

from rlvr_bench.console.progress import Watcher
from rlvr_bench.models.bars import without_bars
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import folder_fingerprint
from rlvr_bench.models.organisms.card import Card, write_card
from rlvr_bench.models.organisms.dials import with_dials
from rlvr_bench.models.organisms.measure import measure
from rlvr_bench.models.organisms.recipe import Recipe
from rlvr_bench.models.organisms.recipes import RECIPES, SIZED
from rlvr_bench.models.organisms.scores import LevelScore
from rlvr_bench.models.organisms.text import planted_problems
from rlvr_bench.models.organisms.train import pretrain
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.record.atomic import disk_errors, write_whole
from rlvr_bench.record.leftovers import SUFFIX, sweep

CHECKPOINTS = ".build"
MEASURED_PROBLEMS = 100


def build(name: str, folder: Path, watcher: Watcher, dials: Mapping[str, Any] | None = None) -> Card:
    """Build an organism into `folder` (`build_recipe`), with `dials` another one that has the folder's name.

    Raises ModelError if there is no recipe of that name, or a dial (`with_dials`) that it does not have.
    """
    recipes = RECIPES | SIZED
    if name not in recipes:
        raise ModelError(f"No organism is called {name!r}{did_you_mean(name, recipes)}")
    if not dials:
        return build_recipe(recipes[name], folder, watcher)
    turned = [f"--set {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in dials.items()]
    own = folder.resolve().name
    command = " ".join(["rlvr-bench models build", name, *turned, "--folder", shlex.quote(own)])
    return build_recipe(with_dials(recipes[name], own, dials), folder, watcher, command=command)


def build_recipe(
    recipe: Recipe, folder: Path, watcher: Watcher, problems: int = MEASURED_PROBLEMS, command: str = ""
) -> Card:
    """Build `recipe` into `folder`: weights, tokenizer, card.json and README.md. Continues an interrupted build.

    Args:
        recipe: what to build.
        folder: where.
        watcher: hears of every step.
        problems: how many of each level are measured.
        command: what builds it again, if its name alone does not.
    """
    checkpoints = folder / CHECKPOINTS
    sweep(folder)
    clock = _Clock(checkpoints / "seconds.json")

    with without_bars(), watcher.bar(f"training {recipe.name}") as report:

        def on_step(step: int, loss: float) -> None:
            clock.lap()
            report(f"step {step} of {recipe.steps}, loss {loss:.2f}", step / recipe.steps)

        model = pretrain(recipe, checkpoints, on_step)
    watcher.say(f"measuring {recipe.name}")
    scores = measure(model, character_tokenizer(recipe.shape.context), recipe, problems)
    with without_bars(), disk_errors(folder):
        card = _write(recipe, folder, model, scores, clock.seconds, command)
        # Renamed first: of a folder that is half removed, no build could go on.
        shutil.rmtree(checkpoints.rename(folder / f"{CHECKPOINTS}{SUFFIX}"))
    return card


def _write(
    recipe: Recipe, folder: Path, model: LlamaForCausalLM, scores: list[LevelScore], seconds: float, command: str
) -> Card:
    model.generation_config = GenerationConfig(
        eos_token_id=model.config.eos_token_id, pad_token_id=model.config.pad_token_id
    )
    written = folder / CHECKPOINTS / "model"
    shutil.rmtree(written, ignore_errors=True)
    model.save_pretrained(written)
    character_tokenizer(recipe.shape.context).save_pretrained(written)
    card = Card(
        recipe=recipe,
        command=command,
        fingerprint=folder_fingerprint(written),
        parameters=model.num_parameters(),
        build_seconds=round(seconds, 1),
        scores=scores,
        planted=[] if recipe.plant is None else [problem.id for problem in planted_problems(recipe.plant)],
    )
    write_card(card, written)
    # The checkpoints go last: a kill while files move leaves a build that the next call finishes.
    for path in sorted(written.iterdir()):
        path.replace(folder / path.name)
    return card


class _Clock:
    """Seconds of training, over all sittings of a build."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = float(json.loads(path.read_text())) if path.exists() else 0.0
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    def lap(self) -> None:
        write_whole(self._path, json.dumps(self.seconds))
