"""What a step of each method costs on a base model, beside full fine-tuning's."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.methods import MethodError
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.cost import measure
from rlvr_bench.models.base import load
from rlvr_bench.models.config import base_named

LENGTH = 64
"""Tokens of a sequence: about those of a prompt and its completion in the preset `default`."""

PROMPTS, PROMPT_LENGTH = 64, 32
"""Random token ids for starts that look at data; their cost is not in a step."""

LIMIT = 1.6
"""Step ratio from which on a row must say why."""

UNEXPLAINED = "unexplained"

PLACES = 5


@dataclass(frozen=True, slots=True)
class Refused:
    """A method that cannot be measured on this base, and why."""

    method: str
    why: str


def measure_costs(methods: Iterable[Method], base: str, pairs: int, rows: int) -> Iterator[dict[str, Any] | Refused]:
    """Yield for each method what a step of it costs beside full fine-tuning's, as soon as it is measured.

    Args:
        methods: what to measure.
        base: the base model to measure on.
        pairs: steps of the method and of full fine-tuning that are compared.
        rows: sequences of `LENGTH` tokens in the batch of a step.
    """
    model = load(base_named(base)).model.to("cuda" if torch.cuda.is_available() else "cpu")
    for method in methods:
        try:
            yield _row(method, base, model, pairs, rows)
        except MethodError as refused:
            yield Refused(method.type, str(refused))


def _row(method: Method, base: str, model: PreTrainedModel, pairs: int, rows: int) -> dict[str, Any]:
    tokens = _random_tokens(model, rows, LENGTH)
    prompts = _random_tokens(model, PROMPTS, PROMPT_LENGTH).tolist() if method.needs_calibration else None
    cost = asdict(measure(method, model, tokens, pairs, prompts))
    figures = {key: round(value, PLACES) if isinstance(value, float) else value for key, value in cost.items()}
    settings = json.dumps(method.model_dump(mode="json", exclude_unset=True, exclude={"type"}))
    named = {"base": base, "method": figures.pop("method"), "settings": settings}
    return named | figures | {"why": _why(method, cost["step_ratio"])}


def _why(method: Method, step_ratio: float) -> str:
    return "" if step_ratio <= LIMIT else method.why_slow or UNEXPLAINED


def _random_tokens(model: PreTrainedModel, rows: int, length: int) -> torch.Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(vocabulary, (rows, length), generator=generator).to(model.device)
