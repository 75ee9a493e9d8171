"""A claim as a file states it, and records that decide it: planted effects, runs under a result schema."""

import random
from typing import Any

from record_factory import record

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.studies.evidence import Evidence, EvidenceRun

WRITTEN: dict[str, Any] = {
    "id": "W1",
    "claim": "a is larger",
    "source": "us",
    "published": "",
    "test": "a minus b",
    "analysis": "difference",
    "arguments": {
        "figure": "geometry.sparsity_bf16",
        "a": {"method_name": "lora"},
        "b": {"method_name": "full"},
        "match": ["task.name"],
    },
    "side": "above",
    "threshold": 0.0,
    "margin": 0.0,
}


def measured(method: str, seed: int, **figures: float | None) -> RunRecord:
    """A record with these figures of its weights' geometry."""
    found = record(method, seed)
    return found.model_copy(update={"measurements": {"geometry": figures}})


def evidence_of(records: list[RunRecord]) -> Evidence:
    """What these records, of one base, say."""
    return Evidence(str(records[0].keys.base["name"]), tuple(EvidenceRun(each) for each in records))


def planted(effect: float, seeds: int = 4) -> Evidence:
    """LoRA above full fine-tuning by `effect`, beside noise of 0.01."""
    noise = random.Random(3)
    records = []
    for method, middle in (("lora", 0.5 + effect), ("full", 0.5)):
        records += [measured(method, s, sparsity_bf16=middle + noise.gauss(0, 0.01)) for s in range(seeds)]
    return evidence_of(records)


def under(schema: int, seeds: range, effect: float, tasks: tuple[str, ...] = ("chain",)) -> Evidence:
    """Both methods on these seeds and tasks, LoRA above by `effect`, of one result schema."""
    runs = []
    for task in tasks:
        for seed in seeds:
            for method, value in (("lora", 0.5 + effect + 0.01 * seed), ("full", 0.5 - 0.01 * seed)):
                made = measured(method, seed, sparsity_bf16=value)
                changes = {"cell": made.cell | {"task": {"name": task}}, "cell_id": f"{schema}{task}{method}{seed}"}
                runs.append(EvidenceRun(made.model_copy(update=changes)))
    return Evidence("organism-steps", tuple(runs), schema=schema)
