"""vLLM's engine in this process: started once for each model, and given new weights that reach every tensor.

The weights go the way that vLLM reads a checkpoint by, which casts, splits and packs them. It leaves out an output
matrix that is tied to the embedding: on a CPU that has a packed copy of its own, made again here.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from rlvr_bench.generate.adapters import RANKS, Adapter
from rlvr_bench.record.leftovers import temporary_folder

CPU_CACHE_BYTES = 2**30
"""Keys and values that a CPU's engine has room for; rows that find none wait."""
_BATCHED_TOKENS = 4096
_ENVIRONMENT = {
    # The weights are handed over in memory: engine and trainer share the process.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Threads are the launcher's: vLLM would pin them to cores that other cells use too.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


_numbers = count(1)


def version() -> str:
    """Return the distribution that is installed as vLLM, and its version: those for a CPU go by names of their own."""
    name = next(iter(metadata.packages_distributions().get("vllm", ())), "vllm")
    return f"{name} {metadata.version(name)}"


def head_sizes() -> list[int]:
    """Return the sizes of attention heads that vLLM has on a CPU."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    return sorted(CPUAttentionBackend.get_supported_head_sizes())


@cache
def start(folder: str, dtype: torch.dtype, device: str, memory: float, adapter_rank: int = 0) -> Any:
    """Return the engine for the model in `folder`; the same one for the same arguments, as long as the process lives.

    Args:
        device: "cpu" or "cuda".
        memory: share of a GPU's memory for weights and cache.
        adapter_rank: of the adapters that it serves; 0 for none.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from vllm import LLM

    # Compiled kernels and captured graphs pay on a GPU; on a CPU they cost minutes at every start.
    own: dict[str, Any] = {"gpu_memory_utilization": memory}
    if device == "cpu":
        own = {"kv_cache_memory_bytes": CPU_CACHE_BYTES, "enforce_eager": True}
    if adapter_rank:
        room = next(rank for rank in RANKS if rank >= adapter_rank)
        own |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": room}
    with _untouched_process():
        return LLM(
            model=folder,
            dtype=str(dtype).removeprefix("torch."),
            max_model_len=-1,  # as long as the model's context and the cache allow
            max_num_batched_tokens=_BATCHED_TOKENS,
            logprobs_mode="processed_logprobs",  # of the distribution that is sampled, temperature included
            seed=0,
            disable_log_stats=True,
            **own,
        )


@torch.no_grad()
def synchronise(engine: Any, model: PreTrainedModel) -> None:
    """Copy all weights of `model` into the engine, and forget what it remembers of prompts under the old ones."""
    weights = ((name, parameter.detach()) for name, parameter in model.named_parameters())
    engine.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
    engine.apply_model(_pack_tied_head)
    engine.reset_prefix_cache()


@contextmanager
def adapted(engine: Any, adapter: Adapter) -> Iterator[Any]:
    """Give the request by which the engine samples from the adapter as it is now; it forgets it afterwards.

    A number is used once, since what the engine remembers of prompts is kept by it.
    """
    from vllm.lora.request import LoRARequest

    number = next(_numbers)
    with temporary_folder() as folder:
        adapter.save(folder)
        yield LoRARequest(f"adapter-{number}", number, str(folder))
        engine.llm_engine.remove_lora(number)


def _pack_tied_head(model: nn.Module) -> None:
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in model.modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


@contextmanager
def _untouched_process() -> Iterator[None]:
    """Keep what an engine's start changes for the whole process: random states, and the setting of threads."""
    set_num_threads, threads = torch.set_num_threads, torch.get_num_threads()
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(threads)
        random.setstate(states[0])
        np.random.set_state(states[1])
