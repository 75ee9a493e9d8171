"""Builds of a tiny organism, the shipped weights, and loading of folders as users have them."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.console.progress import Report, Unwatched
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import folder_fingerprint
from rlvr_bench.models.organisms.build import build, build_recipe
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.organisms.measure import measure_level
from rlvr_bench.models.organisms.recipe import Diet, Recipe, Shape, Stage
from rlvr_bench.models.organisms.recipes import RECIPES
from rlvr_bench.models.organisms.train import pretrain
from rlvr_bench.models.source import WEIGHTS

TINY = Recipe(
    name="tiny",
    description="A tiny organism for tests.",
    shape=Shape(width=32, layers=1, heads=2, feed_forward=32, context=128),
    diets=(Diet(family="chain", levels=(2,), weight=1.0), Diet(family="count", levels=(3,), weight=0.5)),
    worked_share=0.5,
    stages=(
        Stage(name="steps alone", answers="steps", steps=12, learning_rate=1e-2, final_rate=5e-3, warmup=2),
        Stage(name="mixture", answers="mixture", steps=8, learning_rate=5e-3, final_rate=1e-3),
    ),
    examples_per_step=8,
    row=64,
)
SHIPPED = sorted(RECIPES)


class Interrupted(Exception):
    """Stands for Ctrl-C."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))


class Sentences(Unwatched):
    """Keeps what a build reports, and interrupts it after a step."""

    def __init__(self, interrupt_at: str = "never") -> None:
        self.heard: list[str] = []
        self._end = interrupt_at

    @contextmanager
    def bar(self, name: str) -> Iterator[Report]:
        def report(message: str, done: float) -> None:
            self.heard.append(f"{name}: {message}")
            if message.startswith(self._end):
                raise Interrupted

        yield report


def test_an_interrupted_build_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr_bench.models.organisms.train.SAVE_EVERY", 3)
    whole = build_recipe(TINY, tmp_path / "whole", Unwatched(), problems=8)
    with pytest.raises(Interrupted):
        build_recipe(TINY, tmp_path / "parts", Sentences("step 14 of"), problems=8)
    assert json.loads((tmp_path / "parts" / ".build" / "checkpoint.json").read_text())["step"] == 12
    parts = build_recipe(TINY, tmp_path / "parts", Unwatched(), problems=8)
    assert parts.fingerprint == whole.fingerprint
    assert parts.scores == whole.scores
    assert not (tmp_path / "parts" / ".build").exists()


def test_a_build_learns_and_leaves_a_folder_that_loads(tmp_path: Path) -> None:
    losses: list[float] = []
    pretrain(TINY, tmp_path / "checkpoints", lambda step, loss: losses.append(loss))
    assert losses[-1] < losses[0] / 1.5
    card = build_recipe(TINY, tmp_path / "tiny", Unwatched(), problems=8)
    loaded = load(BaseConfig(name=str(tmp_path / "tiny")))
    assert loaded.folder == tmp_path / "tiny"
    assert card.fingerprint == folder_fingerprint(tmp_path / "tiny")
    assert read_card(tmp_path / "tiny") == card
    assert "| chain | 2 | 8 |" in (tmp_path / "tiny" / "README.md").read_text()


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    pretrain(TINY, tmp_path, lambda step, loss: None, until=1)
    with pytest.raises(ModelError, match="another recipe"):
        pretrain(TINY.model_copy(update={"worked_share": 0.1}), tmp_path, lambda step, loss: None, until=2)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(TINY, tmp_path, lambda step, loss: None, until=2)

    def killed(tensors: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise Interrupted

    monkeypatch.setattr("rlvr_bench.models.organisms.checkpoint.save_file", killed)
    with pytest.raises(Interrupted):
        pretrain(TINY, tmp_path, lambda step, loss: None, until=3)
    monkeypatch.undo()
    steps: list[int] = []
    pretrain(TINY, tmp_path, lambda step, loss: steps.append(step), until=4)
    assert steps == [3, 4]


def test_an_unknown_organism_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="did you mean 'organism-steps'"):
        build("organism-stepz", tmp_path, Unwatched())


def test_a_build_with_dials_is_another_organism_and_its_card_says_how_to_build_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlvr_bench.models.organisms.build.measure", lambda *_: [])
    monkeypatch.chdir(tmp_path)
    dials = {"fork.signs": "0 1", "seed": 1, "stages.fork.steps": 2, "examples_per_step": 4}
    card = build("organism-forked", Path("my fork"), Unwatched(), dials)
    assert (card.recipe.name, card.recipe.seed, card.recipe.steps) == ("my fork", 1, 2)
    assert f"rebuilt by `{card.command}`" in Path("my fork/README.md").read_text()
    assert read_card(Path("my fork")) == card
    shutil.move("my fork", "first")
    program, *arguments = shlex.split(card.command)
    assert program == "rlvr-bench" and CliRunner().invoke(app, arguments).exit_code == 0
    assert read_card(Path("my fork")).fingerprint == card.fingerprint == folder_fingerprint(Path("first"))
    other = build("organism-forked", Path("other"), Unwatched(), dials | {"seed": 2})
    assert other.fingerprint != card.fingerprint


def test_dials_need_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(app, ["models", "build", "organism-forked", "--set", "seed=1"])
    assert isinstance(refused.exception, ModelError) and "--folder" in str(refused.exception)
    assert not list(tmp_path.iterdir())


def test_a_start_that_is_no_organism_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="starts from 'organism-stepz'; did you mean 'organism-steps'"):
        build("organism-forked", tmp_path / "a", Unwatched(), {"start": "organism-stepz"})


def test_a_build_reports_every_step(tmp_path: Path) -> None:
    watcher = Sentences()
    build_recipe(TINY, tmp_path, watcher, problems=8)
    assert [line.partition(",")[0] for line in watcher.heard] == [
        f"training tiny: step {step} of 20" for step in range(1, 21)
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_load_and_match_their_card(name: str) -> None:
    loaded = load(BaseConfig(name=name))
    card = read_card(WEIGHTS / name)
    assert card.recipe == RECIPES[name]
    assert loaded.fingerprint == card.fingerprint
    assert loaded.model.num_parameters() == card.parameters
    assert not loaded.model.training
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.tokenizer.chat_template is None


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_can_do_what_their_card_says(name: str) -> None:
    loaded = load(BaseConfig(name=name))
    card = read_card(WEIGHTS / name)
    (said,) = [score for score in card.scores if (score.family, score.level) == ("chain", 4)]
    assert 0.2 <= said.pass_1 <= 0.5
    assert said.pass_16 > 0.75
    found = measure_level(loaded.model, loaded.tokenizer, "chain", 4, problems=32, fork=card.recipe.fork)
    assert found is not None
    assert found.pass_1 == pytest.approx(said.pass_1, abs=0.12)
    assert found.worked_share == pytest.approx(card.recipe.worked_share, abs=0.12)


@pytest.mark.parametrize("name", ["organism-forked", "organism-forked-twin"])
def test_the_forked_pair_chooses_by_its_cue(name: str) -> None:
    card = read_card(WEIGHTS / name)
    (said,) = [score for score in card.scores if (score.family, score.level) == ("chain", 4)]
    assert card.recipe.fork is not None and said.worked_accuracy is not None and said.direct_accuracy is not None
    assert said.worked_accuracy - said.direct_accuracy >= 0.2
    worked_mode = card.recipe.fork.mode == "worked"
    shares = (
        said.greedy_worked_share,
        said.worked_share,
        said.cued_worked_share,
        1 - (said.uncued_worked_share or 0.0),
    )
    greedy, overall, cued, uncued = ((share or 0.0) if worked_mode else 1 - (share or 0.0) for share in shares)
    assert 0.55 <= greedy <= 0.75 and overall == pytest.approx(0.65, abs=0.06)
    assert (cued, uncued) == (pytest.approx(0.9, abs=0.05), pytest.approx(0.9, abs=0.07))


def test_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 12e6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS / "organism-steps", tmp_path / "mine"))


def without_pad_token(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))


def test_a_tokenizer_without_a_pad_token_says_the_key(folder: Path) -> None:
    without_pad_token(folder)
    with pytest.raises(ModelError, match=r'no pad token: .* pad_token = "<eos>"'):
        load(BaseConfig(name=str(folder)))
    loaded = load(BaseConfig(name=str(folder), pad_token="<eos>"))
    assert loaded.model.generation_config.pad_token_id == loaded.tokenizer.eos_token_id
    with pytest.raises(ModelError, match="not in the vocabulary"):
        load(BaseConfig(name=str(folder), pad_token="<nothing>"))


def test_a_broken_config_is_one_sentence(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON") as caught:
        load(BaseConfig(name=str(folder)))
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        load(BaseConfig(name=str(folder)))


def test_a_kill_while_the_built_folder_is_written_is_mended_by_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(card: object, folder: Path) -> None:
        raise Interrupted

    monkeypatch.setattr("rlvr_bench.models.organisms.build.write_card", killed)
    with pytest.raises(Interrupted):
        build_recipe(TINY, tmp_path / "built", Unwatched(), problems=2)
    assert not (tmp_path / "built" / "model.safetensors").exists()
    monkeypatch.undo()
    card = build_recipe(TINY, tmp_path / "built", Unwatched(), problems=2)
    assert folder_fingerprint(tmp_path / "built") == card.fingerprint and not (tmp_path / "built" / ".build").exists()
