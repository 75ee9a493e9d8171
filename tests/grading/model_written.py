"""Completions with labels by construction: every sentence, form and mistake of `model_*` around every gold answer."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from model_forms import written
from model_mistakes import mistaken
from model_sentences import BARE, BOXES, NO_ANSWER, PHRASES


def completions(golds: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Rows as `labelled.jsonl` has them, with `how` in addition, from pairs of a problem and its gold answer.

    A form or mistake stands once in a box and once in a sentence, chosen by a hash of both.
    """
    for problem, gold in golds:
        row = {"set": "math", "question": problem, "answer": gold}
        for name, template in {**BOXES, **PHRASES, **BARE}.items():
            yield {**row, "how": f"sentence: {name}", "completion": _filled(template, gold), "correct": True}
        for kind, texts in (("form", written(gold)), ("mistake", mistaken(gold))):
            for name, text in texts.items():
                for sentences in (BOXES,) if "$" in text else (BOXES, PHRASES):
                    completion = _filled(_chosen(name, gold, sentences), text)
                    yield {**row, "how": f"{kind}: {name}", "completion": completion, "correct": kind == "form"}
        for name, template in NO_ANSWER.items():
            yield {**row, "how": f"no answer: {name}", "completion": _filled(template, gold), "correct": False}


def _chosen(form: str, gold: str, sentences: dict[str, str]) -> str:
    number = int(hashlib.sha256(f"{form} {gold}".encode()).hexdigest(), 16)
    return sentences[sorted(sentences)[number % len(sentences)]]


def _filled(template: str, text: str) -> str:
    return template.replace("%s", text)
