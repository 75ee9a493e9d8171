"""Exporting the weights of a finished cell: an adapter folder for PEFT or a merged model, with a model card.

In: a record and what `kept` holds of its cell. Out: a folder that transformers or PEFT loads. An adapter is written
only once PEFT, from that folder and the base alone, gives the logits of the trained model.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from rlvr_bench.cell.artifacts import adapter_folder, weights_folder
from rlvr_bench.cell.model_card import model_card
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.loading import load_causal_lm
from rlvr_bench.record.atomic import put_folder
from rlvr_bench.record.leftovers import temporary_folder_beside
from rlvr_bench.record.schema import RunRecord

TOLERANCE = 1e-3
"""Largest difference of logits between an adapter on its base and the merged model, both in float32."""

KEEP = "run it with keep_weights = true (its results stay; --stale runs it again)"


def export_merged(record: RunRecord, folder: Path) -> None:
    """Write a cell's merged model, its tokenizer, configs and a model card into a new folder.

    Raises:
        ModelError: the folder is not empty, no weights were kept, or the method cannot be merged into plain weights.
    """
    kept = weights_folder(record.cell_id)
    if not kept.is_dir() and adapter_folder(record.cell_id).is_dir():
        raise ModelError(
            f"{record.keys.method_name} cannot be merged into plain weights; export the adapter with --peft"
        )
    _export(record, kept, folder, lambda _: None)


def export_adapter(record: RunRecord, folder: Path) -> None:
    """Write a cell's adapter as PEFT loads it, with the tokenizer and a model card, into a new folder.

    Raises:
        ModelError: the folder is not empty, no adapter was kept, PEFT has no such method, or it gives other logits.
    """
    kept = adapter_folder(record.cell_id)
    if not kept.is_dir() and weights_folder(record.cell_id).is_dir():
        raise ModelError(f"PEFT has no method {record.keys.method_name}; export the merged model with --merged")
    _export(record, kept, folder, lambda temporary: _finish_adapter(record, temporary))


def _export(record: RunRecord, kept: Path, folder: Path, finish: Callable[[Path], None]) -> None:
    if not kept.is_dir():
        raise ModelError(f"no weights of cell {record.cell_id} are kept on this machine; {KEEP}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} is there and not empty; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder_beside(folder) as temporary:
        shutil.copytree(kept, temporary, dirs_exist_ok=True)
        finish(temporary)
        (temporary / "README.md").write_text(model_card(record, adapter=kept.name == "adapter"), encoding="utf-8")
        put_folder(temporary, folder)


def _finish_adapter(record: RunRecord, folder: Path) -> None:
    """Name the base in the adapter's config as the experiment does, once PEFT gives the trained model's logits."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # The record has only the last name of a local base; PEFT wrote where this machine had it.
    base = load_causal_lm(Path(config["base_model_name_or_path"]))
    adapted = PeftModel.from_pretrained(base, str(folder)).eval()
    trained = weights_folder(record.cell_id)
    if trained.is_dir():
        difference = _largest_difference(adapted, load_causal_lm(trained))
        if not difference < TOLERANCE:
            raise ModelError(
                f"PEFT gives logits that differ by {difference:.2g} from the trained model's for this "
                f"{record.keys.method_name} on the plain base; export the merged model with --merged"
            )
    config["base_model_name_or_path"] = record.keys.base["name"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@torch.no_grad()
def _largest_difference(one: PeftModel, other: PreTrainedModel) -> float:
    vocabulary = other.get_input_embeddings().weight.shape[0]
    ids = torch.randint(vocabulary, (2, 16), generator=torch.Generator().manual_seed(0))
    return float((one(input_ids=ids).logits - other.eval()(input_ids=ids).logits).abs().max())
