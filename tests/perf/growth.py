"""How the verbs that read results grow: 10,000 synthetic packed records, seconds of processor time and peak memory.

Each verb runs twice, with a cache that is empty at first: what a leaderboard has computed, a report finds there.
Run by hand: `python tests/perf/growth.py [comparisons] [methods] [seeds]`; it asserts nothing.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.record import compact, pack, store
from rlvr_bench.record.digest import digest_of
from rlvr_bench.record.schema import Cost, Environment, RunRecord, Score, Stability, StepRecord
from rlvr_bench.record.step_table import write_steps
from rlvr_bench.train.stability import summarise

PROBLEMS, STEPS, SAMPLES = 128, 40, 4
KINDS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ENVIRONMENT = Environment(
    python="3.11.7", packages={"torch": "2.13.0", "trl": "1.16.0"}, cpu="Synthetic x 2", threads=1, gpu=None,
    commit="a" * 40, dirty=False, platform="Linux",
)  # fmt: skip


def main(comparisons: int = 100, methods: int = 20, seeds: int = 5) -> None:
    """Make the records in a temporary folder, run each verb on it and print what it took."""
    template = cells(load("default"))[0]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        for number in range(comparisons):
            write_comparison(results, template, number, methods, seeds)
        size = sum(path.stat().st_size for path in (results / store.RECORDS_FOLDER).iterdir())
        print(f"{comparisons * methods * seeds:,} records, {size / 1e6:.0f} MB")
        experiment = Path(folder) / "experiment.toml"
        experiment.write_text(experiment_text(methods, comparisons * seeds))
        os.environ["RLVR_BENCH_CACHE"] = str(Path(folder) / "cache")
        verbs = (["plan", str(experiment)], ["leaderboard", "--write"], ["report"], ["findings"], ["results", "check"])
        for verb in verbs:
            for time in ("first", "again"):
                measure([*verb, "--results", str(results)], time)


def measure(arguments: list[str], time: str) -> None:
    """Run a verb in a process of its own and print processor seconds and peak memory; `time` says which time it is."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = (
        "import resource, sys; from rlvr_bench.cli.entry import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = done.stderr.split()
    peak = int(said[-1]) / 1e6 if said and said[-1].isdecimal() else float("nan")
    lines = done.stdout.count("\n")
    verb = " ".join(word for word in arguments[:2] if not word.startswith(("-", "/")))
    print(f"{verb:15} {time} {seconds:6.1f} s {peak:6.2f} GB  exit {done.returncode}, {lines} lines")


def write_comparison(results: Path, template: Cell, number: int, methods: int, seeds: int) -> None:
    """Write the packed records and steps of one comparison."""
    rng = random.Random(number)
    signal = template.signal.model_copy(update={"steps": STEPS})
    base = score(rng, 0.3)
    records, steps = [], dict[str, list[StepRecord]]()
    for method in range(methods):
        for seed in range(seeds):
            settings = template.model_dump(mode="json") | {
                "base_fingerprint": f"{number:016x}", "signal": signal.model_dump(mode="json"), "seed": seed,
                "method": {"type": "lora", "rank": method + 1}, "method_name": f"lora-{method + 1:02d}",
                "learning_rate": 1e-3,
            }  # fmt: skip
            cell = Cell.model_validate(settings)
            own = run_steps(rng)
            one = record(cell, base, score(rng, 0.35 + 0.02 * method), own, rng)
            records.append(one.model_copy(update={"digest": digest_of(one, own)}))
            steps[cell.id] = own
    comparison = records[0].comparison
    write_steps(store.packed_steps_file(results, comparison), steps)
    documents = [pack.packed_document(one) for one in records]
    store.packed_file(results, comparison).write_text(compact.lines_of(documents))


def record(cell: Cell, base: Score, tuned: Score, steps: list[StepRecord], rng: random.Random) -> RunRecord:
    """Return the record of a synthetic cell that trained without a collapse."""
    task = str(cell.task["name"])
    stability = summarise(steps, 1).model_copy(update={"collapse_step": None, "collapse_rule": None})
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status="done",
        attestation={"trainable_parameters": 1000, "total_parameters": 40000},
        accuracy={"base": {task: {"test": base}}, "tuned": {task: {"test": tuned}}},
        rollout={"backend": "fast", "update_backend": "packed"},
        stability=Stability.model_validate(stability.model_dump()),
        measurements={"geometry": {"sparsity_bf16": rng.random(), "by_type": {kind: figures(rng) for kind in KINDS}}},
        cost=Cost(seconds={"train": 10.0, "train/rollout": 4.0}, tokens=100 * STEPS, peak_memory_bytes=300_000_000),
        environment=ENVIRONMENT,
    )


def score(rng: random.Random, share: float) -> Score:
    """Return a score of independent problems."""
    outcomes = "".join(str(int(rng.random() < share)) for _ in range(PROBLEMS))
    counts = [sum(rng.random() < share for _ in range(SAMPLES)) for _ in range(PROBLEMS)]
    return Score(
        n=PROBLEMS, problems_hash="problems", greedy=outcomes.count("1") / PROBLEMS, greedy_outcomes=outcomes,
        k=SAMPLES, avg_k=sum(counts) / (SAMPLES * PROBLEMS), sample_counts=counts, maj_k=0.5, truncated=0.0,
        unparsed=0.1, verifier_errors=0.0, mean_length=20.0,
    )  # fmt: skip


def figures(rng: random.Random) -> dict[str, Any]:
    """Return figures of a matrix type, with a null, as `geometry` has them."""
    names = ("sparsity_bf16", "relative_norm", "spectral_shift", "principal_angle_max_deg", "stable_rank")
    return {name: round(rng.random(), 6) for name in names} | {"lift": {name: round(rng.random(), 6) for name in names}}


def run_steps(rng: random.Random) -> list[StepRecord]:
    """Return the steps of one run."""
    return [
        StepRecord(
            step=number + 1, loss=rng.random(), accuracy=0.5 * rng.random(), learning_rate=1e-4, reward=rng.random(),
            reward_std=rng.random(), frac_reward_zero_std=0.1, entropy=1 + rng.random(), kl=0.01 * rng.random(),
            grad_norm=rng.random(), update_norm=0.1, weight_norm=1.0, completions_mean_length=20 + rng.random(),
            completions_clipped_ratio=0.0, unparsed=0.1, tokens=100 * (number + 1), seconds_rollout=0.1,
            seconds_train=0.2,
        )
        for number in range(STEPS)
    ]  # fmt: skip


def experiment_text(methods: int, seeds: int) -> str:
    """Return an experiment of `methods` times `seeds` cells."""
    rates = json.dumps([round(1e-4 * (place + 1), 6) for place in range(methods)])
    listed = json.dumps(list(range(seeds)))
    head = f'name = "growth"\nbases = ["organism-steps"]\nrewards = ["exact"]\nseeds = {listed}\n'
    return head + f'[task]\nname = "chain"\n[signal]\ntype = "rlvr"\n[methods.lora]\nlearning_rate = {rates}\n'


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
