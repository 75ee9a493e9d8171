"""Prompt styles: what stands around a question. One row of `STYLES` per style.

A prompt is plain text for base models and one user message for chat models (the model's own chat template goes around
it elsewhere). Few-shot prompts are left out. The styles are those whose effect on untrained models is documented by
Shao et al. 2025, "Spurious Rewards" (table 5): the choice alone moves accuracy by tens of points.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.tasks.errors import TaskError

Prompt = str | list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """Text before and after a question; `instructed`: the task's own instruction follows the question."""

    description: str
    before: str = ""
    instructed: bool = True
    after: str = "\n"


STYLES: dict[str, PromptStyle] = {
    "task": PromptStyle("the question and the task's instruction"),
    "none": PromptStyle("the bare question", instructed=False, after=""),
    "terse": PromptStyle("asks for the answer only", instructed=False, after="\nGive the final answer only.\n"),
    "step-by-step": PromptStyle("the task's prompt and a request to reason", after="\nLet's think step by step.\n"),
    "irrelevant": PromptStyle(
        "the task's prompt after text that has nothing to do with it",
        before="Lorem ipsum dolor sit amet, consectetur adipiscing elit.\n",
    ),
}


def render(question: str, instruction: str, style: str, chat: bool) -> Prompt:
    """The prompt for a question; `instruction` brings the white space that parts it from the question.

    Raises TaskError if the style is unknown.
    """
    if style not in STYLES:
        raise TaskError(f"Unknown prompt style {style!r}{did_you_mean(style, STYLES)}")
    row = STYLES[style]
    text = f"{row.before}{question}{instruction if row.instructed else ''}{row.after}"
    return [{"role": "user", "content": text.strip()}] if chat else text


def version() -> str:
    """SHA-256 over all styles: changes exactly when a prompt may change."""
    rows = {name: asdict(style) for name, style in STYLES.items()}
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
