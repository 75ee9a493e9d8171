"""Confidence of the model in its own tokens, with nothing learnt (DeepConf, arXiv 2508.15260).

Token confidence is -(1/k) sum over the k most likely tokens of log P(token), higher where the distribution is peaked.
A group is a window of the last n tokens. Scores have no fixed range; they order traces and weigh votes.
"""

from collections.abc import Sequence
from statistics import fmean, median

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.thinking.batch import by_length, collate
from rlvr_bench.thinking.trace import Trace

TOP_K = 20
MIN_WINDOW, MAX_WINDOW = 8, 2048
KINDS = ("mean", "tail", "lowest", "bottom10")


def token_confidence(logits: Tensor, k: int = TOP_K) -> Tensor:
    """Confidence of each distribution, shape [...]; `logits` [..., vocabulary], of which at most `k` count."""
    top = torch.log_softmax(logits.float(), dim=-1).topk(min(k, logits.shape[-1]), dim=-1)
    return -top.values.mean(dim=-1)


def group_window(traces: Sequence[Trace]) -> int:
    """Tokens of a group: a quarter of the median trace, within [8, 2048]; 2048 as in the paper would never fill."""
    return max(MIN_WINDOW, min(MAX_WINDOW, round(median(len(trace.tokens) for trace in traces) / 4)))


def group_score(confidences: Sequence[float], kind: str, window: int) -> float:
    """One score of the tokens so far: their mean, the last group's, the lowest group's, or that of the lowest 10 %.

    Fewer tokens than a group are one group.
    """
    if kind == "mean" or len(confidences) <= window:
        return fmean(confidences)
    if kind == "tail":
        return fmean(confidences[-window:])
    groups = [fmean(confidences[end - window : end]) for end in range(window, len(confidences) + 1)]
    if kind == "lowest":
        return min(groups)
    return fmean(sorted(groups)[: max(1, len(groups) // 10)])


def trace_confidences(model: PreTrainedModel, traces: Sequence[Trace], batch_size: int) -> list[list[float]]:
    """Confidence of every token of a trace, the last one included, by one forward over finished traces."""
    distinct = list({(trace.prompt, trace.tokens): trace for trace in traces}.values())
    by_tokens: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = {}
    with torch.no_grad():
        for numbers in by_length(distinct, batch_size):
            members = [distinct[number] for number in numbers]
            batch = collate(members, [[trace.fed] for trace in members], model.device)
            rows = token_confidence(model(input_ids=batch.token_ids, use_cache=False).logits)
            for trace, row in zip(members, rows.tolist(), strict=True):
                start = len(trace.prompt) - 1
                by_tokens[trace.prompt, trace.tokens] = row[start : start + len(trace.tokens)]
    return [by_tokens[trace.prompt, trace.tokens] for trace in traces]
