"""Generation by a vLLM server, TRL's mode "server": weights, or an adapter, are renewed at every call."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.generate.adapters import Adapter
from rlvr_bench.generate.backend import Completions, check_model, check_prompts
from rlvr_bench.generate.sampling import row_keys
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.vllm_server import LOGPROBS, START, VllmServer
from rlvr_bench.generate.vllm_weights import parameter_that_the_base_lacks, seed_of
from rlvr_bench.record.cache import cache_dir, locked
from rlvr_bench.record.leftovers import temporary_folder_beside


class VllmServerBackend:
    """One server for all cells of a machine.

    Whole weights are the server's only ones: cells take turns, each writing its own before it samples. Adapters lie
    beside each other, so that cells sample at the same time.

    Args:
        url: of the server.
        compute_dtype: what the server must compute in.
        adapter: of a method that is served unmerged; None serves whatever `generate` is given, whole.
    """

    name = "vllm"

    def __init__(self, url: str, compute_dtype: torch.dtype, adapter: Adapter | None = None) -> None:
        self._server, self._adapter = VllmServer(url), adapter
        self._dtype = str(compute_dtype).removeprefix("torch.")
        self._numbers = count(1)

    def engine(self) -> str:
        """See `RunsAnEngine`."""
        what = "a server" if self._adapter is None else "a server with adapters"
        return f"vllm {self._server.model.version}, {what}"

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why the server cannot run `model`: it computes in another type, or gives other log-probabilities."""
        served = self._server.model
        if served.dtype != self._dtype or served.logprobs_mode != LOGPROBS:
            return (
                f"The vLLM server at {self._server.url} computes in {served.dtype} and gives {served.logprobs_mode};"
                f" start it with `{START.format(dtype=self._dtype)}`."
            )
        if self._adapter is not None:
            return None
        added = parameter_that_the_base_lacks(model)
        return added and f"Backend 'vllm' has no place for {added}, which the base has not; use backend 'auto'."

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """See `Backend.generate`; a row is a request of its own, which has its seed."""
        check_prompts(prompts)
        check_model(self, model)
        keys = row_keys(prompts, params.seed)
        with self._serving(model) as name:
            choices = self._server.complete(
                [_request(name, prompt, params, int(key)) for prompt, key in zip(prompts, keys, strict=True)]
            )
        tokens = [list(choice["token_ids"]) for choice in choices]
        return Completions(
            token_ids=tokens,
            logprobs=[list(choice["logprobs"]["token_logprobs"]) for choice in choices],
            entropies=None,
            # What ended at a stop text is told apart by `stop_texts.finish`.
            truncated=[row[-1] not in params.eos_token_ids for row in tokens],
        )

    @contextmanager
    def _serving(self, model: PreTrainedModel) -> Iterator[str]:
        """Have the server serve these weights, and give the name under which it does."""
        folder = cache_dir() / "vllm" / hashlib.sha256(self._server.url.encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            if self._adapter is None:
                stack.enter_context(locked(folder.with_suffix(".lock")))
            written = stack.enter_context(temporary_folder_beside(folder))
            if self._adapter is None:
                self._server.load_weights(model, written)
                yield self._server.model.name
                return
            # A name is used once: what the server remembers of prompts is kept by name.
            name = f"{os.uname().nodename}-{os.getpid()}-{next(self._numbers)}"
            self._adapter.save(written)
            self._server.load_adapter(name, written)
            stack.callback(self._server.unload_adapter, name)
            yield name


def _request(name: str, prompt: list[int], params: SamplingParams, key: int) -> dict[str, Any]:
    return {
        "model": name,
        "prompt": prompt,
        "max_tokens": params.max_new_tokens,
        "temperature": params.temperature,
        # Given, since a server takes what it is not told from the model's own generation config.
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "seed": seed_of(key),
        "logprobs": 0,  # that of the sampled token alone
        "ignore_eos": True,  # the model's own EOS stands among the stop tokens
        "stop_token_ids": sorted(params.eos_token_ids),
        "stop": None if params.stop is None else list(params.stop.texts),
        "return_token_ids": True,
    }
