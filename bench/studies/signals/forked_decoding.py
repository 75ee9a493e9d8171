"""Greedy decoding by the base, with the tuned model's token at some positions: do they alone recover the gain?

After arXiv 2605.06241, where corrections at the few positions of high entropy do and as many at random do not.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.generate.stopping import eos_token_ids
from rlvr_bench.measure.context import CellContext
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.verdicts import verify_all

Gate = Callable[[Tensor], Tensor]
"""From the base's entropies of the next token, (rows,), to where the tuned model speaks, a mask of the same shape."""


def entropies(logits: Tensor) -> Tensor:
    """Return the entropies of the last dimension's distributions, in nats."""
    log_probs = torch.log_softmax(logits.double(), dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def recoveries(
    context: CellContext,
    models: tuple[PreTrainedModel, PreTrainedModel],
    problems: Sequence[Problem],
    entropy: Tensor,
    share: float | None,
) -> dict[str, float] | None:
    """Return the accuracy of the base, of the tuned model, and of the base with tuned tokens at some positions.

    `forks` are those of the base's highest entropies, about `share` of all; `random` as many anywhere. None where no
    position changed.

    Args:
        models: base and tuned.
        entropy: of the base at positions of its completions or like ones, for the threshold.
        share: of the positions at which the tuned model speaks.
    """
    if not share:
        return None
    threshold = float(torch.quantile(entropy, 1 - share))
    drawn = torch.Generator().manual_seed(0)
    gates: dict[str, Gate] = {
        "base": lambda now: torch.zeros_like(now, dtype=torch.bool),
        "tuned": lambda now: torch.ones_like(now, dtype=torch.bool),
        "forks": lambda now: now > threshold,
        "random": lambda now: torch.rand(now.shape, generator=drawn).to(now.device) < share,
    }
    return {name: _accuracy(context, models, problems, gate) for name, gate in gates.items()}


def _accuracy(
    context: CellContext, models: tuple[PreTrainedModel, PreTrainedModel], problems: Sequence[Problem], gate: Gate
) -> float:
    tokenizer, limit = context.loaded.tokenizer, context.cell.evaluate.max_new_tokens
    ends = eos_token_ids(models[0], tokenizer)
    rows = decode(models, context.encoded(problems), limit, ends, gate)
    cut = [row[-1] not in ends for row in rows]
    made, texts = finish(Completions(rows, [[0.0] * len(row) for row in rows], None, cut), tokenizer, context.task.stop)
    return fmean(verdict.correct for verdict in verify_all(context.task, texts, problems, made.truncated))


@torch.no_grad()
def decode(
    models: tuple[PreTrainedModel, PreTrainedModel],
    prompts: Sequence[list[int]],
    limit: int,
    ends: frozenset[int],
    gate: Gate,
) -> list[list[int]]:
    """Return greedy completions by the first model, with the second one's token wherever `gate` says so.

    Both read the same tokens. A completion ends with one of `ends`, or after `limit` tokens.
    """
    device, longest = models[0].device, max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    caches: list[object] = [None, None]
    drawn: list[Tensor] = []
    over = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    step = ids
    for _ in range(limit):
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -step.shape[1] :]
        logits = []
        for place, model in enumerate(models):
            said = model(
                input_ids=step,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=caches[place],
                use_cache=True,
            )
            caches[place] = said.past_key_values
            logits.append(said.logits[:, -1].float())
        token = torch.where(gate(entropies(logits[0])), logits[1].argmax(dim=-1), logits[0].argmax(dim=-1))
        drawn.append(token)
        over |= torch.isin(token, torch.tensor(sorted(ends), device=device))
        if bool(over.all()):
            break
        step = token[:, None]
        mask = torch.cat([mask, torch.ones_like(step)], dim=1)
    return [_until(row, ends) for row in torch.stack(drawn, dim=1).tolist()]


def _until(row: list[int], ends: frozenset[int]) -> list[int]:
    """Return a row up to its first end, which stays."""
    return next((row[: place + 1] for place, token in enumerate(row) if token in ends), row)
