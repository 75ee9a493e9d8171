"""Damaged checkpoints: refused in one sentence that names what is wrong, before anything is trained."""

import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from damage import DEEP
from safetensors.torch import load_file, save_file

from rlvr_bench.experiment.changes import Changes
from rlvr_bench.experiment.experiment import load as load_experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.models import base as bases
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.source import WEIGHTS
from rlvr_bench.plan.states import plan
from rlvr_bench.plan.targets import with_targets

TENSOR = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS / "organism-steps", tmp_path / "mine"))


def _one(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def changed(weight: torch.Tensor) -> torch.Tensor:
        weight = weight.clone()
        weight[3, 5] = value
        return weight

    return changed


@pytest.mark.parametrize(
    "change",
    [_one(math.nan), _one(math.inf), _one(-math.inf), lambda weight: weight.double() * 1e300],
    ids=["nan", "inf", "-inf", "float64 times 1e300"],
)
def test_weights_that_are_not_finite_in_float32_are_refused_with_the_name_of_the_tensor(
    folder: Path, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {TENSOR: change(tensors[TENSOR])}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"{TENSOR} is not finite in float32, in which models are scored") as refusal:
        bases.load(BaseConfig(name=str(folder)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize("content", [DEEP, "[]", "{", '{"a": ' + DEEP + "}", "\x00"], ids=str.__len__)
def test_a_broken_file_of_settings_is_one_sentence(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(ModelError) as refusal:
        bases.load(BaseConfig(name=str(folder)))
    assert "\n" not in str(refusal.value) and str(folder / file) in str(refusal.value)
    with suppress(ModelError):  # a plan reads the weights' headers alone
        experiment = load_experiment("quick", Changes(base=str(folder)))
        with_targets(plan(cells(experiment, fetch=False), []))
