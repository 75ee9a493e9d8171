"""What `rlvr-bench methods cost` does: measure methods on a base model and print CSV or JSON."""

import csv
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.console.tables import print_json
from rlvr_bench.methods import MethodError
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.cost import measure
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig

ROWS, LENGTH = 64, 64
"""The batch: the completions of a step of the preset `default`, and about the tokens of a prompt and its completion."""

PROMPTS, PROMPT_LENGTH = 64, 32
"""Random token ids for starts that look at data; their cost is not in a step."""

LIMIT = 1.6
"""Step ratio from which on a row must say why."""

UNEXPLAINED = "unexplained"

PLACES = 5


def report(chosen: Iterable[Method], base: str, pairs: int, rows: int, as_json: bool) -> bool:
    """Measure each method on `base` with `rows` sequences and print a line for each as it comes, or one document.

    A method that cannot be measured, or is slow without a reason, is said on stderr. Returns whether there was none.
    """
    model = load(BaseConfig(name=base)).model.to("cuda" if torch.cuda.is_available() else "cpu")
    measured: list[dict[str, Any]] = []
    sound = True
    for method in chosen:
        try:
            measured.append(_row(method, base, model, pairs, rows))
        except MethodError as refused:
            print(f"not measured: {method.type}: {refused}", file=sys.stderr)
            sound = False
            continue
        if measured[-1]["why"] == UNEXPLAINED:
            ratio = measured[-1]["step_ratio"]
            print(f"{method.type}: a step costs {ratio} of full fine-tuning's, and no reason is known", file=sys.stderr)
            sound = False
        if not as_json:
            _print_csv(measured[-1], first=len(measured) == 1)
    if as_json:
        print_json(measured)
    return sound


def every_default() -> tuple[list[Method], list[str]]:
    """Return all registered methods at their defaults, and the names of those that have none."""
    return configs(method_registry.available()[0], {})


def configs(names: Iterable[str], settings: dict[str, Any]) -> tuple[list[Method], list[str]]:
    """Return the named types with `settings`, without any at their defaults, and the names of those that have none.

    Raises `MethodError` for an unknown name or setting.
    """
    found: list[Method] = []
    without: list[str] = []
    for name in names:
        method = method_registry.create({"type": name} | settings) if settings else method_registry.default(name)
        if method is None:
            without.append(name)
        else:
            found.append(method)
    return found, without


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


def _print_csv(row: dict[str, Any], first: bool) -> None:
    writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
    if first:
        writer.writeheader()
    writer.writerow(row)
    sys.stdout.flush()
