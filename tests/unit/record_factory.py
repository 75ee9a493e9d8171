"""Crafted run records: small, complete, deterministic."""

import hashlib
import random
from typing import Any

from rlvr_bench.record.schema import Cause, Cost, Environment, RunRecord, Score, Stability, Status

ENVIRONMENT = Environment(
    python="3.11.9",
    packages={"torch": "2.13.0", "trl": "1.16.0"},
    cpu="Test CPU x 2",
    threads=1,
    gpu=None,
    commit="a" * 40,
    dirty=False,
    platform="Linux",
)


def score(outcomes: str, k: int = 2, problems: str = "problems-1") -> Score:
    counts = [k if digit == "1" else 0 for digit in outcomes]
    return Score(
        n=len(outcomes),
        problems_hash=problems,
        greedy=outcomes.count("1") / len(outcomes),
        greedy_outcomes=outcomes,
        k=k,
        avg_k=sum(counts) / (k * len(outcomes)),
        sample_counts=counts,
        pass_k={"1": outcomes.count("1") / len(outcomes)},
        maj_k=outcomes.count("1") / len(outcomes),
        truncated=0.0,
        unparsed=0.25,
        verifier_errors=0.0,
        mean_length=7.5,
    )


def outcomes(share: float, problems: int = 200, seed: int = 0) -> str:
    """Return `problems` digits of which about `share` are 1; problems have a difficulty of their own."""
    rng, noise = random.Random(5), random.Random(seed)
    return "".join("1" if 0.8 * rng.random() + 0.2 * noise.random() < share else "0" for _ in range(problems))


def record(
    method: str = "lora",
    seed: int = 0,
    tuned: str | None = None,
    *,
    base: str | None = None,
    status: Status = "done",
    reward: str = "exact",
    problems: str = "problems-1",
    backend: str = "fast",
    settings: dict[str, Any] | None = None,
    extra: dict[str, str] | None = None,
) -> RunRecord:
    """Return a record of one seed; `extra` are tuned outcomes on other tasks."""
    tuned_outcomes = outcomes(0.6, seed=seed) if tuned is None else tuned
    base_outcomes = outcomes(0.4, seed=99) if base is None else base
    cell = {
        "base": {"name": "organism-steps"},
        "base_fingerprint": "0" * 16,
        "task": {"name": "chain", "levels": [4]},
        "signal": {"type": "rlvr", "steps": 40, "prompts_per_batch": 4, "group_size": 8, "updates_per_batch": 2},
        "reward": {"name": reward},
        "method_name": method,
        "method": {"type": method} | (settings or {}),
        "learning_rate": 0.001,
        "seed": seed,
    }
    scored = status != "failed"
    tuned_scores = {"chain": {"test": score(tuned_outcomes, problems=problems)}}
    base_scores = {"chain": {"test": score(base_outcomes, problems=problems)}}
    for name, digits in (extra or {}).items():
        tuned_scores[name] = {"test": score(digits, problems=name)}
        base_scores[name] = {"test": score("0" * len(digits), problems=name)}
    return RunRecord(
        cell=cell,
        cell_id=hashlib.sha256(f"{method}{seed}{reward}{problems}{settings}".encode()).hexdigest()[:12],
        comparison=f"organism-steps.chain-4.rlvr.{reward}.abcdef",
        status=status,
        cause=Cause(type="OutOfMemoryError", message="The process was killed.")
        if status in ("failed", "invalid")
        else None,
        attestation={"trainable_parameters": 1000, "total_parameters": 40000} if scored else None,
        accuracy={"base": base_scores, "tuned": tuned_scores} if scored else {},
        stability=Stability(steps=40, kl_last=0.05, entropy_left=0.5, gradient_spikes=seed) if scored else None,
        rollout={"backend": backend, "update_backend": "packed"} if scored else None,
        measurements={"geometry": {"sparsity_bf16": 0.75}} if scored else {},
        cost=Cost(seconds={"train": 10.0 + seed, "train/rollout": 4.0}, tokens=5000, peak_memory_bytes=300_000_000),
        environment=ENVIRONMENT,
    )


def without_digest(one: RunRecord | None) -> RunRecord:
    """Return a record as it was before it was written."""
    assert one is not None and one.digest is not None
    return one.model_copy(update={"digest": None})
