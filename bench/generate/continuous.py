"""Transformers' continuous batching: paged cache, new rows take the places of finished ones; for any size of batch.

Tokens are drawn by transformers, whose noise belongs to the batch and not to the row: the same call gives the same
samples, another set of rows other ones. It does not tell entropies, and does not end rows at stop texts.
"""

from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

from rlvr_bench.generate.backend import Completions, check_model, check_prompts
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams

PAGE = 32
"""Tokens of a page of the cache."""


class ContinuousBackend:
    """Generation by `generate_batch` of transformers."""

    name = "continuous"

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why continuous batching cannot run `model`; None when it can."""
        if getattr(model, "_supports_attention_backend", False) and hasattr(model, "generate_batch"):
            return None
        return f"Continuous batching does not run {type(model).__name__}; use backend 'hf'."

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """See `Backend.generate`; a batch's rows share the cache, and samples depend on all rows."""
        check_prompts(prompts)
        check_model(self, model)
        longest = max((len(prompt) for prompt in prompts), default=0) + params.max_new_tokens
        outputs = model.generate_batch(
            prompts,
            generation_config=GenerationConfig(
                max_new_tokens=params.max_new_tokens,
                do_sample=params.temperature > 0,
                temperature=params.temperature or 1.0,
                top_k=0,
                top_p=1.0,
                eos_token_id=sorted(params.eos_token_ids) or [-1],
                pad_token_id=params.pad_token_id,
            ),
            continuous_batching_config=ContinuousBatchingConfig(
                return_logprobs=True,
                seed=params.seed,
                page_size=PAGE,
                num_blocks=params.batch_size * -(-longest // PAGE),
                # Of one pass; attention masks grow with its square, so prompts are read over several passes.
                max_batch_tokens=max(params.batch_size, longest),
                max_requests_per_batch=params.batch_size,
            ),
            warmup=model.device.type == "cuda",
        )
        rows = [outputs[name] for name in sorted(outputs, key=lambda name: int(name.rpartition("_")[2]))]
        for row in rows:
            if row.error is not None:
                raise GenerationError(f"Continuous batching gave up on a prompt: {row.error}; use backend 'hf'.")
        tokens = [list(row.generated_tokens) for row in rows]
        return Completions(
            token_ids=tokens,
            logprobs=[list(row.logprobs) for row in rows],
            entropies=None,
            truncated=[row[-1] not in params.eos_token_ids for row in tokens],
        )
