"""Results folders for the report page: one with something for every section, and hostile strings all over it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from math import sin
from pathlib import Path
from typing import Any

from record_factory import outcomes, record

from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record.samples import write_samples
from rlvr_bench.record.schema import Cause, RunRecord, StepRecord
from rlvr_bench.record.store import write_run
from rlvr_bench.report.material import Material, record_key

HOSTILE = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>&amp;\u2028"\'`${1}'
HOSTILE_NAME = "<img src=x onerror=window.hacked=1>"
"""As hostile as a method's name can be: it is the name of a folder."""

KINDS = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj")


def variant(original: RunRecord, comparison: str | None = None, rate: float | None = None, **cell: Any) -> RunRecord:
    """Return a record with other settings, under an id of its own."""
    settings = original.cell | cell | ({} if rate is None else {"learning_rate": rate})
    name = comparison or original.comparison
    digits = hashlib.sha256(json.dumps([settings, name], sort_keys=True).encode()).hexdigest()[:12]
    return RunRecord.model_validate(
        original.model_dump(exclude={"cell", "cell_id", "comparison"})
        | {"cell": settings, "cell_id": digits, "comparison": name}
    )


def with_geometry(original: RunRecord, scale: float) -> RunRecord:
    by_type = {
        kind: {"sparsity_bf16": scale * (5 + i) / 10, "stable_rank": 3.0 + i, "lift": {"sparsity_bf16": 2.0 * scale}}
        for i, kind in enumerate(KINDS)
    }
    by_layer = {str(i): {kind: {"sparsity_bf16": scale * (9 - i) / 10} for kind in KINDS} for i in range(4)}
    geometry = {"sparsity_bf16": 0.7 * scale, "relative_norm": 0.01, "by_type": by_type, "by_layer": by_layer}
    geometry["null"] = {"isotropic": {"sparsity_bf16": {"mean": 0.5, "lift": 1.4 * scale}}}
    return original.model_copy(update={"measurements": {"geometry": geometry}})


def collapsed(original: RunRecord, step: int) -> RunRecord:
    assert original.stability is not None
    stability = original.stability.model_copy(update={"collapse_step": step, "collapse_rule": "reward fell to 0"})
    return original.model_copy(update={"status": "collapsed", "stability": stability})


def steps(count: int = 40, shift: float = 0.0) -> list[StepRecord]:
    return [
        StepRecord(
            step=i + 1,
            reward=0.2 + 0.5 * i / count + 0.02 * sin(i + shift),
            accuracy=0.2 + 0.5 * i / count,
            kl=0.002 * i if i % 5 == 0 else None,
            entropy=1.5 - 0.01 * i,
            completions_mean_length=20 + 0.1 * i,
        )
        for i in range(count)
    ]


def everything() -> list[RunRecord]:
    """Return records that give every section of the page something to show."""
    records = []
    for seed in range(5):
        records.append(with_geometry(record("lora", seed, outcomes(0.62, seed=seed), extra={"svamp": "0110"}), 0.9))
        records.append(with_geometry(record("full", seed, outcomes(0.8, seed=seed + 10), extra={"svamp": "0000"}), 0.4))
        records.append(record(HOSTILE_NAME, seed, outcomes(0.79, seed=seed + 20)))
        unsound = record("pissa", seed, outcomes(0.5, seed=seed + 40))
        unsound = unsound.model_copy(update={"measurements": unsound.measurements | {"fused_probe": PROBED}})
        records.append(collapsed(unsound, 10 * seed) if seed in (1, 2) else unsound)
        records.append(record("lora", seed, outcomes(0.45, seed=seed + 30), reward="random"))
        records.append(record("full", seed, outcomes(0.44, seed=seed + 50), reward="random"))
    cause = Cause(type="OutOfMemoryError", message=HOSTILE, fix="Ask for less.", tail=["line 1", HOSTILE])
    records.append(record("lift", 0, status="failed").model_copy(update={"cause": cause}))
    signal = {"type": "sft", "steps": 40, "prompts_per_batch": 4, "group_size": 8, "updates_per_batch": 2}
    sft = [record("lora", seed, outcomes(0.7, seed=seed)) for seed in range(2)]
    records += [variant(one, "organism-steps.chain-4.sft.exact.abcdee", signal=signal) for one in sft]
    return records + sweep()


PROBED = {
    "curve": [{"step": n, "aged": {"auroc": 0.8 - 0.01 * n}, "fused": {"auroc": 0.8}} for n in range(0, 20, 5)],
    "base": {"auroc": 0.8}, "aged": {"auroc": 0.6}, "fused": {"auroc": 0.8},
}  # fmt: skip


def sweep() -> list[RunRecord]:
    """Return one method at four learning rates, scored on validation only."""
    found = []
    for rate, share in ((1e-4, 0.3), (3e-4, 0.5), (1e-3, 0.62), (3e-3, 0.4)):
        scored = record("lora", 100, outcomes(share, seed=7))
        moved = {role: {"chain": {"validation": splits["chain"]["test"]}} for role, splits in scored.accuracy.items()}
        scored = scored.model_copy(update={"accuracy": moved})
        name = f"lora@{rate:g}"
        found.append(variant(scored, "organism-steps.chain-4.rlvr.exact.abcd00", rate, method_name=name))
    return found


def sample(cell_id: str, text: str, correct: bool, place: int) -> dict[str, Any]:
    row = {
        "cell_id": cell_id,
        "model": "tuned",
        "task": "chain",
        "split": "test",
        "problem_id": f"p{place}",
        "sample": 0,
    }
    row |= {"completion": text, "parsed": "7" if correct else None, "correct": correct}
    row |= {"reason": "correct" if correct else "unparsed", "tokens": 9, "logprob_sum": -1.0, "finish_reason": "stop"}
    return row | {"temperature": 0.0, "seed": 0}


def samples(cell_id: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    return [
        sample(cell_id, text, correct, 2 * i + correct) for i, text in enumerate(texts) for correct in (True, False)
    ]


def write_everything(results: Path) -> None:
    """Write a results folder with records, steps, samples (in the cache), findings and a frontier."""
    records = everything()
    for place, one in enumerate(records):
        write_run(results, one, steps(shift=place) if one.stability else [])
    write_samples(records[0].cell_id, samples(records[0].cell_id, [HOSTILE, "1+1=2 #### 2"]))
    finding = {"id": "H1", "claim": f"Updates are sparse {HOSTILE}", "source": "arXiv 2511.08567", "published": "0.7"}
    finding |= {"test": "sparsity", "side": "above", "threshold": 0.5, "verdict": "supported", "estimate": 0.7}
    finding |= {"low": 0.6, "high": 0.8, "base": "organism-steps", "seeds": [0, 1, 2], "cells": [], "reason": ""}
    undecided = finding | {"id": "H2", "verdict": "undecided", "estimate": None, "low": None, "high": None}
    (results / "findings.json").write_text(json.dumps([finding, undecided]))
    points = [
        {"policy": policy, "scorer": scorer, "n": n, "accuracy": 0.4 + 0.03 * i + 0.01 * n, "accuracy_lo": 0.35,
         "accuracy_hi": 0.6 + 0.02 * n, "tokens": 100 * n, "tokens_share": n / 16}
        for i, scorer in enumerate(("none", "hidden-state", HOSTILE_NAME))
        for policy in ("majority", "early-stop")
        for n in (1, 4, 16)
    ]  # fmt: skip
    (results / "thinking").mkdir()
    (results / "thinking" / "organism-steps.json").write_text(
        json.dumps({"model": "organism-steps", "frontier": points, "promise": PROMISE})
    )


PROMISE = {
    "max_loss": 0.02, "max_dropped": 1.0, "confidence": 0.95, "problems": 400, "policy": "halve:every=4",
    "kinds": {
        "halve": {"policy": "halve:every=4", "lost": 0.0, "test": {"problems": 128, "lost": 0.01, "lost_lo": -0.02,
                  "lost_hi": 0.04, "dropped": 0.1, "tokens_share": 0.5}},
        "keep": {"policy": HOSTILE_NAME, "lost": 0.01},
    },
    "redrawn": {"draws": 400, "problems": 400, "pool": 528, "promised": 390, "broken": 8, "tokens_share": 0.6},
}  # fmt: skip
"""Of one kind that was tried on fresh problems, and of one that was not; drawn anew."""


def material_of(records: Iterable[RunRecord], run_steps: list[StepRecord]) -> Material:
    """Return material that was never on a disk; all runs share their steps."""
    held = tuple(records)
    runs: dict[tuple[str, ...], list[RunRecord]] = {}
    for one in held:
        runs.setdefault(record_key(one), []).append(one)
    rows = tuple(standing.row for standing in leaderboard(held))
    own_steps = {one.cell_id: run_steps for one in held}
    return Material(rows, {key: tuple(group) for key, group in runs.items()}, held, own_steps, [], {}, {}, ())


def five_hundred_rows() -> Material:
    """Return 25 comparisons of 19 methods and the base, three seeds each, geometry by type and layer."""
    records = []
    for comparison in range(25):
        for method in range(19):
            for seed in range(3):
                share = 0.3 + 0.03 * method
                one = record(f"method-{method:02d}", seed, outcomes(share, 64, seed=seed), extra={"svamp": "0110"})
                one = with_geometry(one, 0.05 * method)
                records.append(variant(one, f"organism-steps.chain-4.rlvr.exact.{comparison:06x}"))
    return material_of(records, steps(80))
