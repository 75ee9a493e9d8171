"""A cell of the harness against the plain script, run by `tox -e perf`.

The same model, prompts, group size, lengths and updates, in turn; ratios are taken pair by pair, because these
machines are shared. The script may have one or two threads and float32 or bf16, whichever is fastest here; a cell has
one thread and the precision that is asked for. Nothing is asserted: the tables go to the terminal.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from bench import products
from bench.experiment.cell import Cell, cells
from bench.experiment.experiment import Experiment
from bench.launch import local
from bench.models.base import folder_of
from bench.models.config import BaseConfig
from bench.record import store

PLAIN = Path(__file__).with_name("plain_trl.py")
METHODS: dict[str, dict[str, Any]] = {
    "full": {"learning_rate": 3e-4},
    "lora": {"rank": 8, "learning_rate": 1e-3},
    "mask": {"type": "mask", "select": "random", "density": 0.1, "learning_rate": 3e-3},
}
STAGES = (
    "load",
    "base",
    "attach",
    "train/rollout",
    "train/verify",
    "train/update",
    "train/other",
    "geometry",
    "evaluate",
)


@dataclass(frozen=True, slots=True)
class Course:
    """What both sides run."""

    base: str
    task: dict[str, Any]
    prompts: int
    group_size: int
    max_new_tokens: int
    steps: int
    micro_batch: int | None
    rate: float
    """Factor on the methods' learning rates."""
    precision: str
    """Of the cell: fp32 or bf16."""


@dataclass(frozen=True, slots=True)
class Lap:
    """One run of one side."""

    train: float
    rewards: list[float]
    peak_memory_bytes: float
    seconds: dict[str, float]


def main() -> None:
    """Race every asked-for method, then show stages and the grid."""
    options = _options()
    course = Course(
        options.base,
        json.loads(options.task),
        options.prompts,
        options.group_size,
        options.max_new_tokens,
        options.steps,
        options.micro_batch,
        options.rate,
        options.precision,
    )
    console = Console(width=150)
    console.print(_machine())
    races = {}
    for method in options.methods.split(","):
        fastest = _fastest(course, method, options.pairs)
        races[method] = (
            fastest,
            [(_plain(course, method, seed, *fastest), _cell(course, method, seed)) for seed in range(options.pairs)],
        )
        console.print(
            f"{method}: the script is fastest with {fastest[0]} thread(s), {'bf16' if fastest[1] else 'float32'}"
        )
    _show_race(console, races)
    _show_stages(console, {method: laps for method, (_, laps) in races.items()})
    if options.grid:
        _show_grid(console, course, options.grid)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="organism-steps")
    parser.add_argument(
        "--task", default='{"name": "chain", "levels": [4], "train": 1024, "validation": 256, "test": 512}'
    )
    parser.add_argument("--methods", default="full,lora,mask")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of the cell")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--grid", type=int, default=8, help="cells of the grid race; 0 leaves it out")
    return parser.parse_args()


def _machine() -> str:
    """The processor, and how much faster than float32 its bf16 matrix product is (measured, not assumed)."""
    torch.set_num_threads(1)
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.randn(512, 512).to(dtype)
        times = [_timed(lambda matrix=matrix: matrix @ matrix) for _ in range(20)]
        seconds[dtype] = median(times)
    ratio = seconds[torch.float32] / seconds[torch.bfloat16]
    where = f"{psutil.cpu_count()} processors, torch {torch.__version__}"
    return (
        f"{where}; a bf16 matrix product is {ratio:.2f}x as fast as torch's float32 one; cells use {products.chosen()}"
    )


def _timed(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _fastest(course: Course, method: str, pairs: int) -> tuple[int, bool]:
    """Return the thread count and precision with which the script is fastest, over a fifth of the steps."""
    short = Course(**{f: getattr(course, f) for f in Course.__slots__} | {"steps": max(course.steps // 5, 3)})
    ways = [(threads, bf16) for threads in (1, 2) for bf16 in (False, True)]
    return min(ways, key=lambda way: _plain(short, method, 0, *way).train)


def _plain(course: Course, method: str, seed: int, threads: int, bf16: bool) -> Lap:
    command = [sys.executable, str(PLAIN), str(folder_of(BaseConfig(name=course.base)))]
    command += ["--task", json.dumps(course.task), "--method", method, "--seed", str(seed)]
    command += ["--learning-rate", str(METHODS[method]["learning_rate"] * course.rate), "--steps", str(course.steps)]
    command += ["--prompts", str(course.prompts), "--group-size", str(course.group_size)]
    command += ["--max-new-tokens", str(course.max_new_tokens), "--threads", str(threads)]
    command += ["--micro-batch", str(course.micro_batch)] * (course.micro_batch is not None) + ["--bf16"] * bf16
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the plain script failed:\n{done.stderr[-2000:]}")
    lap = json.loads(done.stdout.splitlines()[-1])
    return Lap(lap["train"], lap["rewards"], lap["peak_memory_bytes"], {"whole": lap["whole"]})


def _cells(course: Course, seeds: list[int], names: list[str]) -> list[Cell]:
    methods = {name: METHODS[name] | {"learning_rate": METHODS[name]["learning_rate"] * course.rate} for name in names}
    experiment = Experiment.model_validate(
        {
            "name": "race",
            "description": "timing",
            "seeds": seeds,
            "bases": [course.base],
            "rewards": ["exact"],
            "task": course.task,
            "signal": {
                "steps": course.steps,
                "prompts_per_batch": course.prompts,
                "group_size": course.group_size,
                "max_new_tokens": course.max_new_tokens,
                "micro_batch": course.micro_batch,
                "precision": course.precision,
            },
            "evaluate": {"max_new_tokens": course.max_new_tokens},
            "methods": methods,
        }
    )
    return cells(experiment)


def _cell(course: Course, method: str, seed: int) -> Lap:
    with tempfile.TemporaryDirectory() as folder:
        local.run(_cells(course, [seed], [method]), Path(folder), 1, 1, lambda cell, event: None)
        (path,) = Path(folder).rglob(store.RUN_FILE)
        record, steps = store.read_run(path), store.read_steps(path.parent)
    seconds = dict(record.cost.seconds)
    seconds["train/other"] = seconds["train"] - sum(
        seconds[f"train/{part}"] for part in ("rollout", "verify", "update")
    )
    rewards = [step.reward for step in steps if step.reward is not None]
    return Lap(seconds["train"], rewards, record.cost.peak_memory_bytes or 0, seconds)


def _show_race(console: Console, races: dict[str, tuple[tuple[int, bool], list[tuple[Lap, Lap]]]]) -> None:
    table = Table(title="training: cell / plain script (pair by pair)")
    for column in (
        "method",
        "script s",
        "cell s",
        "ratio min",
        "median",
        "max",
        "script reward",
        "cell reward",
        "peak memory",
    ):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, (_, laps) in races.items():
        ratios = [cell.train / plain.train for plain, cell in laps]
        table.add_row(
            method,
            *(f"{median(side):.1f}" for side in ([plain.train for plain, _ in laps], [cell.train for _, cell in laps])),
            *(f"{value:.2f}" for value in (min(ratios), median(ratios), max(ratios))),
            *(_last_third(side) for side in ([plain.rewards for plain, _ in laps], [cell.rewards for _, cell in laps])),
            f"{median(cell.peak_memory_bytes / plain.peak_memory_bytes for plain, cell in laps):.2f}x",
        )
    console.print(table)


def _last_third(curves: list[list[float]]) -> str:
    """Mean reward over the last third of the steps: the mean over seeds, and their range."""
    ends = [fmean(curve[-len(curve) // 3 :]) for curve in curves]
    return f"{fmean(ends):.3f} ({min(ends):.2f}-{max(ends):.2f})"


def _show_stages(console: Console, races: dict[str, list[tuple[Lap, Lap]]]) -> None:
    table = Table(title="stages of a cell, seconds (median) and share")
    table.add_column("stage")
    for method in races:
        table.add_column(method, justify="right")
    whole = {method: median(_whole(cell) for _, cell in laps) for method, laps in races.items()}
    for stage in STAGES:
        values = {method: median(cell.seconds.get(stage, 0.0) for _, cell in laps) for method, laps in races.items()}
        table.add_row(stage, *(f"{value:.2f}  {value / whole[method]:4.0%}" for method, value in values.items()))
    table.add_row("whole cell", *(f"{value:.2f}" for value in whole.values()))
    beside = {
        m: 1 - median((c.seconds["train/rollout"] + c.seconds["train/update"]) / _whole(c) for _, c in laps)
        for m, laps in races.items()
    }
    table.add_row("all but rollout and update", *(f"{share:.0%}" for share in beside.values()))
    console.print(table)


def _whole(lap: Lap) -> float:
    return sum(value for name, value in lap.seconds.items() if "/" not in name)


def _show_grid(console: Console, course: Course, count: int) -> None:
    """The same cells one after another and on two workers."""
    names = list(METHODS)
    grid = _cells(course, list(range(-(-count // len(names)))), names)[:count]
    seconds = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            seconds[workers] = _timed(
                lambda f=folder, w=workers: local.run(grid, Path(f), w, 1, lambda cell, event: None)
            )
    console.print(
        f"{count} cells: one after another {seconds[1]:.1f} s, on two workers {seconds[2]:.1f} s, "
        f"ratio {seconds[2] / seconds[1]:.2f}"
    )


if __name__ == "__main__":
    main()
