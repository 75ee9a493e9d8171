"""Where an interrupted build continues: weights and AdamW state as safetensors, the step and the recipe as JSON.

Both files are written whole or not at all, the JSON last: a kill leaves the last whole checkpoint.
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.recipe import Recipe
from rlvr_bench.record.atomic import replace_whole, write_whole

HEAD = "checkpoint.json"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_checkpoint(folder: Path, recipe: Recipe, step: int, model: nn.Module, optimizer: AdamW) -> None:
    """Write the state after `step` optimizer steps; older checkpoints in `folder` go."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"weights.{name}": value.detach() for name, value in model.named_parameters()}
    for name, parameter in model.named_parameters():
        tensors |= {f"{moment}.{name}": optimizer.state[parameter][moment] for moment in _MOMENTS}
    state = folder / f"step-{step}.safetensors"
    whole = {name: value.contiguous() for name, value in tensors.items()}
    replace_whole(state, lambda temporary: save_file(whole, temporary))
    write_whole(folder / HEAD, json.dumps({"step": step, "file": state.name, "recipe": _dials(recipe)}))
    for old in folder.glob("step-*.safetensors"):
        if old != state:
            old.unlink()


def load_checkpoint(folder: Path, recipe: Recipe, model: nn.Module, optimizer: AdamW) -> int:
    """Put the checkpoint in `folder` into model and optimizer and return its step; 0 if there is none.

    Raises ModelError if the checkpoint belongs to another recipe.
    """
    head = folder / HEAD
    if not head.exists():
        return 0
    state = json.loads(head.read_text())
    if state["recipe"] != _dials(recipe):
        raise ModelError(f"The checkpoint in {folder} was made by another recipe: delete that folder to start anew.")
    tensors = load_file(folder / state["file"])
    for name, parameter in model.named_parameters():
        parameter.data.copy_(tensors[f"weights.{name}"])
        optimizer.state[parameter] = _moments(tensors, name)
    return int(state["step"])


def _dials(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude={"name", "description"})


def _moments(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {moment: tensors[f"{moment}.{name}"] for moment in _MOMENTS}
