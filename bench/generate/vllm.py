"""Generation by vLLM, on GPUs or on a CPU, in the process of the trainer; needs vLLM (extra `[vllm]`).

The engine is given the plain model on merged weights, or where asked an adapter beside its base; nothing is merged into
the base and taken out again. TRL's own engine is not used: it passes no dtype, and cannot copy weights on a CPU.
"""

from importlib.util import find_spec
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.generate.adapters import Adapter
from rlvr_bench.generate.backend import Completions, check_model, check_prompts
from rlvr_bench.generate.sampling import row_keys
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.vllm_engine import adapted, head_sizes, start, synchronise, version
from rlvr_bench.generate.vllm_weights import parameter_that_the_base_lacks, seed_of


class VllmBackend:
    """One vLLM engine for each model and type in a process; weights are copied into it at every call.

    A row's noise is vLLM's own, from a seed of the row: the same seed gives other tokens than on the other backends. It
    does not tell entropies.

    Args:
        compute_dtype: what the engine stores weights and computes in; always told to it, else it takes bfloat16.
        memory: share of a GPU's memory for the engine and its cache; a CPU's cache has a fixed size.
        adapter: of a method that is served unmerged on the base that the engine has read; None copies all weights.
    """

    name = "vllm"

    def __init__(
        self, compute_dtype: torch.dtype = torch.float32, memory: float = 0.3, adapter: Adapter | None = None
    ) -> None:
        self.compute_dtype = compute_dtype
        self._memory, self._adapter = memory, adapter
        self._device = "cpu"

    def engine(self) -> str:
        """See `RunsAnEngine`."""
        return f"{version()}, in this process on {self._device}"

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why vLLM cannot run `model` here: not installed, weights from nowhere, other tensors, or its head size."""
        if find_spec("vllm") is None:
            return "Backend 'vllm' needs vLLM; pip install 'rlvr-bench[vllm]', or use backend 'auto'."
        if not model.name_or_path:
            return "Backend 'vllm' reads the model from a folder or hub id, this one has neither; use backend 'hf'."
        added = parameter_that_the_base_lacks(model)
        if added is not None:
            return f"Backend 'vllm' has no place for {added}, which the base has not; use backend 'auto'."
        config = model.config.get_text_config(decoder=True)
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        if model.device.type == "cpu" and size not in (sizes := head_sizes()):
            known = ", ".join(map(str, sizes))
            return f"Backend 'vllm' has no attention of head size {size} on a CPU, only of {known}; use backend 'auto'."
        return None

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """See `Backend.generate`; the engine schedules rows itself."""
        check_prompts(prompts)
        check_model(self, model)
        self._device = model.device.type
        rank = 0 if self._adapter is None else self._adapter.rank
        engine = start(model.name_or_path, self.compute_dtype, model.device.type, self._memory, rank)
        inputs: list[Any] = [{"prompt_token_ids": prompt} for prompt in prompts]
        settings = [_sampling(params, int(key)) for key in row_keys(prompts, params.seed)]
        if self._adapter is None:
            synchronise(engine, model)
            outputs = engine.generate(inputs, settings, use_tqdm=False)
        else:
            with adapted(engine, self._adapter) as request:
                outputs = engine.generate(inputs, settings, use_tqdm=False, lora_request=request)
        rows = [output.outputs[0] for output in outputs]
        tokens = [list(row.token_ids) for row in rows]
        return Completions(
            token_ids=tokens,
            logprobs=[
                [place[token].logprob for place, token in zip(row.logprobs, ids, strict=True)]
                for row, ids in zip(rows, tokens, strict=True)
            ],
            entropies=None,
            # What ended at a stop text is told apart by `stop_texts.finish`.
            truncated=[row[-1] not in params.eos_token_ids for row in tokens],
        )


def _sampling(params: SamplingParams, key: int) -> Any:
    from vllm import SamplingParams as VllmSamplingParams

    return VllmSamplingParams(
        max_tokens=params.max_new_tokens,
        temperature=params.temperature,
        seed=seed_of(key),
        logprobs=0,  # that of the sampled token alone
        # Only what is listed ends a row: the model's own EOS stands among `eos_token_ids`.
        ignore_eos=True,
        stop_token_ids=sorted(params.eos_token_ids),
        stop=None if params.stop is None else list(params.stop.texts),
    )
