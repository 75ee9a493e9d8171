"""Reads records of older schema versions as records of this one: from document to document, nothing is lost.

Version 1 kept what a cell measured in six fields of its own, requested by keys of `[evaluate]` and by `[verify]`, what
was done to it on purpose in keys of its base and signal, and called the grading of answers "verify", like a probe.
Version 2 did not say under which result schema a cell ran: it was 2.
"""

from collections.abc import Callable, Mapping
from typing import Any

Document = Mapping[str, Any]

MISSHAPEN = (LookupError, TypeError, AttributeError, ValueError)
"""What a step to the next version raises on a document that is not of the version that it names."""

_MEASURED_BY_ALL = ("geometry", "mask_sample", "trajectory", "behaviour")
_FLAGS = ("contamination", "prompt_range", "rank_one")
_TRAJECTORY = ("kl_per_step", "kl_per_reward", "linearity_r2")
_MASKS = {"changed_sample": "changed", "changed_sample_restored": "restored"}
_SECONDS = {"verify": "thinking", "train/verify": "train/grade"}
_THINKING = {"verifier": "scorer"}


def run_document(document: Document) -> Document:
    """Return a document of `run.json` as the newest version writes it; one of an unknown version as it is.

    A digest is of the form that was written: what was read from an older one has none until it is written again.
    """
    version = document.get("schema_version")
    while type(version) is int and version in _RUN:  # a bool is an int too
        document = {name: value for name, value in _RUN[version](document).items() if name != "digest"}
        version = document["schema_version"]
    return document


def step_line(line: Document) -> Document:
    """Return a line of `steps.jsonl` as the newest version writes it; lines carry no version."""
    if "seconds_verify" not in line:
        return line
    return {"seconds_grade" if name == "seconds_verify" else name: value for name, value in line.items()}


def _run_from_1(document: Document) -> Document:
    moved = ("prompts", "contamination", "behaviour", "geometry", "think")
    migrated = {name: value for name, value in document.items() if name not in moved}
    migrated |= {"schema_version": 2, "cell": _cell_from_1(document["cell"])}
    if "accuracy" in document:
        migrated["accuracy"] = {
            role: {
                task: {split: _score(score) for split, score in by_split.items()} for task, by_split in tasks.items()
            }
            for role, tasks in document["accuracy"].items()
            if role != "rank_one"
        }
    if "cost" in document:
        seconds = document["cost"].get("seconds", {})
        renamed = {_SECONDS.get(name, name): value for name, value in seconds.items()}
        migrated["cost"] = document["cost"] | {"seconds": renamed}
    measured = {name: result for name, result in _measured_in_1(document).items() if result}
    return migrated | {"measurements": measured}


def _run_from_2(document: Document) -> Document:
    return {**document, "schema_version": 3, "cell": {**document["cell"], "result_schema": 2}}


def _cell_from_1(cell: Document) -> Document:
    evaluate = dict(cell.get("evaluate", {}))
    flags = [name for name in _FLAGS if evaluate.pop(name, False)]
    problems = evaluate.pop("kl_problems", 0)
    measurements: dict[str, Any] = {name: {} for name in (*_MEASURED_BY_ALL, *flags)}
    measurements |= {"divergence": {"problems": problems}} if problems else {}
    probed = {_THINKING.get(name, name): value for name, value in (cell.get("verify") or {}).items()}
    measurements |= {"thinking": probed} if probed else {}
    base, signal = dict(cell["base"]), dict(cell["signal"])
    migrated = {name: value for name, value in cell.items() if name not in ("evaluate", "verify")}
    migrated |= {
        "interventions": _interventions_in_1(base, signal),
        "base": base,
        "signal": signal,
        "measurements": measurements,
    }
    return migrated | ({"evaluate": evaluate} if "evaluate" in cell else {})


def _interventions_in_1(base: dict[str, Any], signal: dict[str, Any]) -> dict[str, Any]:
    """Take the keys of interventions out of a base and a signal, and return the interventions."""
    heads, layers, seed = (base.pop(f"intervention{suffix}", None) for suffix in ("", "_layers", "_seed"))
    share, merge = signal.pop("adapter_dropout", 0.0), signal.pop("merge", "copy")
    interventions: dict[str, Any] = {heads.replace("-", "_"): {"layers": layers, "seed": seed}} if heads else {}
    interventions |= {"adapter_dropout": {"share": share}} if share else {}
    return interventions | ({"merge_in_place": {}} if merge == "in-place" else {})


def _measured_in_1(document: Document) -> dict[str, Any]:
    """Return the results by measurement; what was not measured is empty or None."""
    geometry = document.get("geometry") or {}
    rank_one = document.get("accuracy", {}).get("rank_one", {})
    scores = [score for by_split in rank_one.values() for score in by_split.values()]  # one: the trained task's test
    return {
        "geometry": {name: value for name, value in geometry.items() if name not in (*_TRAJECTORY, *_MASKS)},
        "mask_sample": {new: geometry[old] for old, new in _MASKS.items() if old in geometry},
        "trajectory": {name: geometry[name] for name in _TRAJECTORY if name in geometry},
        "behaviour": document.get("behaviour"),
        "prompt_range": {style: _score(score) for style, score in document.get("prompts", {}).items()},
        "contamination": document.get("contamination"),
        "thinking": document.get("think"),
        "rank_one": _score(scores[0]) if scores else None,
        "divergence": {
            task: {name: by_split["test"][name] for name in ("kl", "kl_forward")}
            for task, by_split in document.get("accuracy", {}).get("tuned", {}).items()
            if by_split.get("test", {}).get("kl") is not None
        },
    }


def _score(score: Document) -> Document:
    return {name: value for name, value in score.items() if name not in ("kl", "kl_forward")}


_RUN: Mapping[int, Callable[[Document], Document]] = {1: _run_from_1, 2: _run_from_2}
"""By version, the step to the next one."""
