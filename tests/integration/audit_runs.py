"""Folders as TRL and PEFT write them, on a tiny model, and what an audit of them says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from rlvr_bench.audit.registry import RULES
from rlvr_bench.audit.run import audit
from rlvr_bench.audit.subject import open_subject
from rlvr_bench.models.source import WEIGHTS

BASE = WEIGHTS / "organism-direct"
TARGETS = ["q_proj", "v_proj"]
Tensors = dict[str, torch.Tensor]


def accuracy_reward(completions: list[str], **_: object) -> list[float]:
    """Reward half of the completions, whatever they are, so that groups carry signal."""
    return [float(place % 2) for place, _ in enumerate(completions)]


def trained(output: Path) -> Path:
    """Train a LoRA adapter with TRL for three steps; return the checkpoint's folder."""
    config = GRPOConfig(
        output_dir=str(output),
        max_steps=3,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=80,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        beta=0.04,
        logging_steps=1,
        save_steps=3,
        log_completions=True,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=0,
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=str(BASE),
        reward_funcs=accuracy_reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": [f"{a} + {b}\n" for a in range(4) for b in range(4)]}),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS),
        processing_class=AutoTokenizer.from_pretrained(BASE, padding_side="left"),
    )
    trainer.train()
    return output / "checkpoint-3"


def merged(adapter: Path, folder: Path) -> Path:
    """Merge as PEFT does."""
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), adapter)
    model.merge_and_unload().save_pretrained(folder)
    return folder


def copied(folder: Path, target: Path, tensors: Callable[[Tensors], object] | None = None, **config: Any) -> Path:
    """Copy a folder with edited tensors and keys of its adapter_config.json."""
    shutil.copytree(folder, target)
    if tensors is not None:
        file = next(target.glob("*.safetensors"))
        stored = load_file(file)
        tensors(stored)
        save_file({name: tensor.contiguous() for name, tensor in stored.items()}, file, metadata={"format": "pt"})
    if config:
        path = target / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return target


def verdicts(tuned: Path, names: list[str] | None = None, **options: Any) -> dict[str, str]:
    """Return rule -> verdict."""
    found = audit(open_subject(str(options.pop("base", BASE)), str(tuned), **options), names).findings
    return {finding.name: finding.answer.verdict for finding in found}


def faults(tuned: Path, **options: Any) -> set[str]:
    """Return the rules that find a fault, but for the gates, which find none and take the longest."""
    names = [name for name in RULES.names() if not name.startswith("gate")]
    return {name for name, verdict in verdicts(tuned, names, **options).items() if verdict == "fault"}
