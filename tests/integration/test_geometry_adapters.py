"""Adapters against their base: the merged weights are PEFT's own, and those of the method that was exported."""

import copy
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, OFTConfig, PeftModel, PromptTuningConfig, get_peft_model
from tiny_models import llama, tied_qwen, train
from transformers import AutoModelForCausalLM, PreTrainedModel

from rlvr_bench.geometry.pairs import open_pairs
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.errors import ModelError

LINEAR = ["q_proj", "o_proj", "down_proj"]
CONFIGS = {
    "lora": LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR),
    "dora": LoraConfig(r=4, use_dora=True, target_modules=LINEAR),
    "pissa": LoraConfig(r=4, init_lora_weights="pissa", target_modules=LINEAR),
    "modules to save": LoraConfig(r=4, target_modules=LINEAR, modules_to_save=["lm_head"]),
    "oft": OFTConfig(r=0, oft_block_size=4, target_modules=LINEAR),
}


def pairs(base: Path, tuned: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    found = open_pairs(str(base), str(tuned), lambda *_: None)
    read = {name: (before.clone(), after.clone()) for name, before, after in found.tensors}
    assert len(read) == len(found.shapes)
    return read


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_a_peft_folder_gives_pefts_own_merged_weights(name: str, tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), CONFIGS[name])
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    adapted.save_pretrained(tmp_path / "adapter")
    wanted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    merged = dict(wanted.merge_and_unload().named_parameters())
    original = dict(AutoModelForCausalLM.from_pretrained(base).named_parameters())
    found = pairs(base, tmp_path / "adapter")
    assert found.keys() == original.keys()
    moved = {each for each, (before, after) in found.items() if not torch.allclose(before, after, atol=1e-6)}
    assert {each.split(".")[-2] for each in moved} == {*LINEAR, *(["lm_head"] if name == "modules to save" else [])}
    for each, (before, after) in found.items():
        assert torch.equal(before, original[each])
        assert torch.allclose(after, merged[each], atol=2e-6), each


@pytest.mark.parametrize(
    "settings",
    [{"type": "lora", "rank": 4}, {"type": "pissa", "rank": 4}, {"type": "full"}, {"type": "mask", "select": "random"}],
    ids=lambda settings: str(settings["type"]),
)
def test_an_exported_method_gives_its_effective_weights(settings: dict[str, object], tmp_path: Path) -> None:
    base = saved(tied_qwen(), tmp_path / "base")
    handle = method_registry.create(settings).attach(AutoModelForCausalLM.from_pretrained(base), 3)
    train(handle)
    handle.export(tmp_path / "export")
    wanted = {name: tensor.clone() for name, tensor in handle.effective_weights()}
    found = pairs(base, tmp_path / "export")
    assert found.keys() == wanted.keys() and "lm_head.weight" not in found
    assert any(not torch.equal(before, after) for before, after in found.values())
    for name, (_, after) in found.items():
        assert torch.allclose(after, wanted[name], atol=1e-6), name


def test_adapters_that_do_not_belong(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    deeper = llama()
    deeper.model.layers.append(copy.deepcopy(deeper.model.layers[0]))
    get_peft_model(deeper, LoraConfig(r=2, target_modules=LINEAR)).save_pretrained(tmp_path / "deep")
    with pytest.raises(ModelError, match="cannot be put on"):
        pairs(base, tmp_path / "deep")
    shallow = llama()
    del shallow.model.layers[1]
    get_peft_model(shallow, LoraConfig(r=2, target_modules=LINEAR)).save_pretrained(tmp_path / "shallow")
    with pytest.raises(ModelError, match="cannot be put on"):
        pairs(base, tmp_path / "shallow")
    with pytest.raises(ModelError, match="is an adapter"):
        pairs(tmp_path / "deep", base)
    (tmp_path / "deep" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors"):
        pairs(base, tmp_path / "deep")


def test_an_adapter_without_merged_weights_is_refused(tmp_path: Path) -> None:
    base = saved(llama(), tmp_path / "base")
    prompt = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    get_peft_model(llama(), prompt).save_pretrained(tmp_path / "prompt")
    with pytest.raises(ModelError, match="no merged weights"):
        pairs(base, tmp_path / "prompt")


def test_the_code_of_an_adapters_base_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers asks on stdin whether to run a checkpoint's code when it is not told: a yes must change nothing."""
    base = saved(llama(), tmp_path / "base")
    get_peft_model(llama(), CONFIGS["lora"]).save_pretrained(tmp_path / "adapter")
    config = json.loads((base / "config.json").read_text())
    config["model_type"] = "theirs"
    config["auto_map"] = {"AutoConfig": "theirs.TheirConfig", "AutoModelForCausalLM": "theirs.TheirModel"}
    (base / "config.json").write_text(json.dumps(config))
    (base / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ModelError, match=r"trust_remote_code|cannot be loaded"):
        pairs(base, tmp_path / "adapter")
    assert not (tmp_path / "ran").exists()
