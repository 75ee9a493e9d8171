"""What `rlvr-bench methods cost` does: measure methods on a base model and print CSV or JSON."""

import csv
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from transformers import PreTrainedModel

import methods.registry
from bench.models.base import load
from bench.models.config import BaseConfig
from bench.show import print_json
from methods import MethodError
from methods.cost import measure

ROWS, LENGTH = 64, 64
"""The batch: the completions of a step of the preset `default`, and about the tokens of a prompt and its completion."""

PROMPTS, PROMPT_LENGTH = 64, 32
"""Random token ids for starts that look at data; their cost is not in a step."""

LIMIT = 1.6
"""Step ratio from which on a row must say why."""

PLACES = 5


def report(names: Iterable[str], base: str, pairs: int, as_json: bool) -> bool:
    """Measure the named methods at their defaults on `base` and print a line for each as it comes, or one document.

    A method that cannot be measured is said on stderr. Returns whether all were.
    """
    model = load(BaseConfig(name=base)).model.to("cuda" if torch.cuda.is_available() else "cpu")
    rows: list[dict[str, Any]] = []
    asked = list(names)
    for name in asked:
        try:
            rows.append(_row(name, base, model, pairs))
        except MethodError as refused:
            print(f"not measured: {name}: {refused}", file=sys.stderr)
            continue
        if not as_json:
            _print_csv(rows[-1], first=len(rows) == 1)
    if as_json:
        print_json(rows)
    return len(rows) == len(asked)


def _row(name: str, base: str, model: PreTrainedModel, pairs: int) -> dict[str, Any]:
    method = methods.registry.default(name)
    if method is None:
        raise MethodError("it has no defaults; its keys decide what it costs")
    tokens = _random_tokens(model, ROWS, LENGTH)
    prompts = _random_tokens(model, PROMPTS, PROMPT_LENGTH).tolist() if method.needs_calibration else None
    cost = measure(method, model, tokens, pairs, prompts)
    figures = {key: round(value, PLACES) if isinstance(value, float) else value for key, value in asdict(cost).items()}
    return {"base": base} | figures | {"why": method.why_slow if cost.step_ratio > LIMIT else ""}


def _random_tokens(model: PreTrainedModel, rows: int, length: int) -> torch.Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(vocabulary, (rows, length), generator=generator).to(model.device)


def _print_csv(row: dict[str, Any], first: bool) -> None:
    writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
    if first:
        writer.writeheader()
    writer.writerow(row)
    sys.stdout.flush()
