"""The reference backend: transformers' own `generate`, for any model that it can run.

Tokens are chosen by our sampler in a logits processor, which leaves `generate` a single possible token; masks, cache
and stopping are transformers'. Speed is not its aim (see `fast`).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from rlvr_bench.generate.backend import Completions, batches, check_prompts
from rlvr_bench.generate.sampling import Keys, row_keys, sample_tokens, uniforms
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stopping import StopTexts


class _Sampler(LogitsProcessor):
    """Replaces the scores by a one-hot choice of our sampler and keeps what belongs to each choice."""

    def __init__(self, noise: Tensor, temperature: float) -> None:
        self.noise = noise
        self.temperature = temperature
        self.probabilities: list[Tensor] = []
        self.entropies: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        drawn = sample_tokens(scores, self.temperature, self.noise[:, len(self.probabilities)])
        self.probabilities.append(drawn.probabilities)
        self.entropies.append(drawn.entropies)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn.tokens.unsqueeze(1), 0.0)


class _StopAtTexts(StoppingCriteria):
    """Ends rows in which a stop text stands; `lengths` has their new tokens up to there, None for rows without one."""

    def __init__(self, stop: StopTexts, width: int, rows: int) -> None:
        self.stop, self.width = stop, width
        self.lengths: list[int | None] = [None] * rows

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        new = input_ids[:, self.width :]
        likely = self.stop.stand_in(new[:, -self.stop.window :].tolist())
        for row, hit in enumerate(likely):
            if hit and self.lengths[row] is None and self.stop.stand_in([new[row].tolist()])[0]:
                self.lengths[row] = new.shape[1]
        return torch.tensor([length is not None for length in self.lengths], device=input_ids.device)


@contextmanager
def _plain_inference(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode, and none of the generation settings (repetition penalty, top-k) that a model may ship."""
    training = [module for module in model.modules() if module.training]
    shipped, model.generation_config = model.generation_config, GenerationConfig()
    model.eval()
    try:
        yield
    finally:
        model.generation_config = shipped
        for module in training:
            module.training = True


class HfBackend:
    """Generation by transformers, with left padding; under autocast if `compute_dtype` is not that of the weights."""

    name = "hf"

    def __init__(self, compute_dtype: torch.dtype = torch.float32) -> None:
        self.compute_dtype = compute_dtype

    def refusal(self, model: PreTrainedModel) -> str | None:
        """None for every model that can generate."""
        if model.can_generate():
            return None
        return f"{type(model).__name__} cannot generate text; load the base with AutoModelForCausalLM."

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """See `Backend.generate`."""
        check_prompts(prompts)
        keys = row_keys(prompts, params.seed)
        eos = params.eos_token_ids
        entropies: list[list[float]] = [[] for _ in prompts]
        result = Completions([[] for _ in prompts], [[] for _ in prompts], entropies, [True for _ in prompts])
        rounded = self.compute_dtype != torch.float32
        with _plain_inference(model), torch.autocast(model.device.type, self.compute_dtype, enabled=rounded):
            for rows in batches(prompts, params.batch_size):
                config = GenerationConfig(
                    max_new_tokens=params.max_new_tokens,
                    do_sample=False,
                    eos_token_id=sorted(eos) or None,
                    pad_token_id=params.pad_token_id,
                )
                tokens, logprobs, uncertain, stopped = _batch(
                    model, [prompts[row] for row in rows], keys[rows], params, config
                )
                for position, row in enumerate(rows):
                    length = min(_length(tokens[position], eos), stopped[position] or params.max_new_tokens)
                    result.token_ids[row] = tokens[position][:length]
                    result.logprobs[row] = logprobs[position][:length]
                    entropies[row] = uncertain[position][:length]
                    ended = tokens[position][length - 1] in eos or length == stopped[position]
                    result.truncated[row] = not ended
        return result


def _batch(
    model: PreTrainedModel, prompts: list[list[int]], keys: Keys, params: SamplingParams, config: GenerationConfig
) -> tuple[list[list[int]], list[list[float]], list[list[float]], list[int | None]]:
    """New tokens of each row with their log-probabilities and entropies, and how many it has at its stop text."""
    width = max(len(prompt) for prompt in prompts)
    padded = [[config.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts]
    attended = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    sampler = _Sampler(uniforms(keys, config.max_new_tokens).to(model.device), params.temperature)
    stopping = None if params.stop is None else _StopAtTexts(params.stop, width, len(prompts))
    sequences = model.generate(
        input_ids=torch.tensor(padded, device=model.device),
        attention_mask=torch.tensor(attended, device=model.device),
        generation_config=config,
        logits_processor=LogitsProcessorList([sampler]),
        stopping_criteria=None if stopping is None else StoppingCriteriaList([stopping]),
    )
    logprobs, entropies = torch.stack(sampler.probabilities, dim=1).log(), torch.stack(sampler.entropies, dim=1)
    stopped: list[int | None] = [None] * len(prompts) if stopping is None else stopping.lengths
    return sequences[:, width:].tolist(), logprobs.tolist(), entropies.tolist(), stopped


def _length(tokens: list[int], eos: Collection[int]) -> int:
    """Tokens up to and with the first EOS; all of them when there is none."""
    return next((position + 1 for position, token in enumerate(tokens) if token in eos), len(tokens))
