"""A base model and an experiment so small that a cell takes about a second, and the command line as a process."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_bench.models.tokenizer import character_tokenizer

EXPERIMENT = """
name = "tiny"
description = "A random model that learns nothing."
seeds = [0, 1]
keep_weights = true
bases = ["{base}"]
rewards = [{{ name = "random", p = 0.5 }}]

[task]
name = "chain"
levels = [2]
train = 16
validation = 8
test = 8

[signal]
steps = {steps}
prompts_per_batch = 2
group_size = 4
max_new_tokens = 8

[evaluate]
samples = 2
max_new_tokens = 8

[methods.full]
learning_rate = 1e-3

[methods.lora]
rank = 2
learning_rate = 1e-2

[methods.c3a]
type = "peft"
peft_type = "C3A"
block_size = 8
learning_rate = 1e-2
"""


def save_tiny_base(folder: Path) -> Path:
    """Save a random Llama of some thousand parameters with the organisms' tokenizer."""
    tokenizer = character_tokenizer(64)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=True,
        max_position_embeddings=64,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_experiment(folder: Path, base: Path, steps: int = 3) -> Path:
    """Write the tiny experiment on `base`."""
    path = folder / "tiny.toml"
    path.write_text(EXPERIMENT.format(base=base, steps=steps))
    return path


def environment(cache: Path, extra_path: Path | None = None) -> dict[str, str]:
    """The environment of a command: offline, with a cache of its own."""
    paths = [str(extra_path)] if extra_path else []
    paths += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    return os.environ | {
        "RLVR_BENCH_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "RLVR_BENCH_FLOAT32_PRODUCTS": "blas",  # nothing is to be timed for each new cache
        "PYTHONPATH": os.pathsep.join(paths),
    }


def command(*arguments: str | Path) -> list[str]:
    """`rlvr-bench` with this interpreter."""
    return [sys.executable, "-m", "rlvr_bench", *map(str, arguments)]


def run(cache: Path, *arguments: str | Path, extra_path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments), env=environment(cache, extra_path), capture_output=True, text=True, timeout=900
    )


def wait_for(condition, process):  # type: ignore[no-untyped-def]
    """The first true value of `condition` while the process lives; at most 900 s."""
    end = time.monotonic() + 900
    while time.monotonic() < end and process.poll() is None:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"the process ended or took too long: {process.poll()}")


def children_of(pid: int) -> list[int]:
    """Ids of the processes that a process has started."""
    children = list[int]()
    # A thread, or the process, may end while its children are listed.
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, (thread / "children").read_text().split())
    return children


def cells_of(pid: int) -> list[int]:
    """Process ids of the cells: grandchildren of the command, forked by its fork server."""
    return [grandchild for child in children_of(pid) for grandchild in children_of(child)]
