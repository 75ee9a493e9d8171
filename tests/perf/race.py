"""A cell of the harness against the plain script, run by `tox -e perf`.

The same model, prompts, group size, lengths and updates, in turn; ratios are taken pair by pair, because these
machines are shared. The script may have one or two threads and float32 or bf16, whichever is fastest here; a cell has
the precision that is asked for and runs with one thread, as in a grid, and with two. Then a grid of cells on two
workers, with all that a cell does, against the script in a loop. Nothing is asserted: the tables go to the terminal.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.generate import matmul
from rlvr_bench.launch import local
from rlvr_bench.models.base import folder_of
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record import store
from rlvr_bench.train.step_record import WITHIN_STEP

PLAIN = Path(__file__).with_name("plain_trl.py")
METHODS: dict[str, dict[str, Any]] = {
    "full": {"learning_rate": 3e-4},
    "lora": {"rank": 8, "learning_rate": 1e-3},
    "mask": {"type": "mask", "select": "random", "density": 0.1, "learning_rate": 3e-3},
}
STAGES = (
    "start",
    "load",
    "base",
    "attach",
    "train/rollout",
    "train/verify",
    "train/log_probs",
    "train/update",
    "train/other",
    "geometry",
    "evaluate",
    "record",
)
INSIDE = (*WITHIN_STEP, "update")


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
    """One run of one side; `whole` is from its start to its end, for the script with its imports."""

    train: float
    rewards: list[float]
    peak_memory_bytes: float
    whole: float
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Pair:
    """The script and a cell, in turn; the cell with one thread and with two."""

    plain: Lap
    cell: Lap
    wide: Lap


@dataclass(frozen=True, slots=True)
class Race:
    """All pairs of a method; the script ran with so many threads, in bf16 or not."""

    threads: int
    bf16: bool
    pairs: list[Pair]


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
    names = options.methods.split(",")
    imports = _cell(replace(course, steps=1), names[0], 0, 1).seconds["start"]
    races = {}
    for method in names:
        threads, bf16 = _fastest(course, method)
        races[method] = Race(
            threads, bf16, [_pair(course, method, seed, threads, bf16) for seed in range(options.pairs)]
        )
        console.print(f"{method}: the script is fastest with {threads} thread(s), {'bf16' if bf16 else 'float32'}")
    _show_race(console, races)
    _show_stages(console, races)
    console.print(f"The first cell of a run also waits for the imports: it starts after {imports:.1f} s.")
    if options.grid:
        _show_grid(console, course, options.grid, races)


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
        f"{where}; a bf16 matrix product is {ratio:.2f}x as fast as torch's float32 one; cells use {matmul.library()}"
    )


def _timed(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _pair(course: Course, method: str, seed: int, threads: int, bf16: bool) -> Pair:
    cells = (_cell(course, method, seed, width) for width in (1, 2))
    return Pair(_plain(course, method, seed, threads, bf16), *cells)


def _fastest(course: Course, method: str) -> tuple[int, bool]:
    """Return the thread count and precision with which the script is fastest, over a fifth of the steps."""
    short = replace(course, steps=max(course.steps // 5, 3))
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
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    whole = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"the plain script failed:\n{done.stderr[-2000:]}")
    lap = json.loads(done.stdout.splitlines()[-1])
    return Lap(lap["train"], lap["rewards"], lap["peak_memory_bytes"], whole, {})


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


def _cell(course: Course, method: str, seed: int, threads: int) -> Lap:
    heard = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        (cell,) = _cells(course, [seed], [method])
        # The first event comes when the cell begins, the last two when it has its record and when that is written.
        local.run([cell], Path(folder), 1, threads, lambda cell, event: event and heard.append(time.perf_counter()))
        (path,) = Path(folder).rglob(store.RUN_FILE)
        record, steps = store.read_run(path), store.read_steps(path.parent)
    seconds = dict(record.cost.seconds) | {"start": heard[1] - heard[0], "record": heard[-1] - heard[-2]}
    seconds["train/other"] = seconds["train"] - sum(seconds[f"train/{part}"] for part in INSIDE)
    rewards = [step.reward for step in steps if step.reward is not None]
    return Lap(seconds["train"], rewards, record.cost.peak_memory_bytes or 0, heard[-1] - heard[0], seconds)


def _show_race(console: Console, races: dict[str, Race]) -> None:
    table = Table(title="training: cell / plain script (pair by pair; lowest, median and highest ratio)")
    columns = ("method", "script s", "cell s", "ratio", "cell s, 2 threads", "ratio", "script reward", "cell reward")
    for column in (*columns, "peak memory"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, race in races.items():
        plain, cell, wide = ([getattr(pair, side) for pair in race.pairs] for side in ("plain", "cell", "wide"))
        table.add_row(
            method,
            f"{median(lap.train for lap in plain):.1f}",
            *(
                text
                for laps in (cell, wide)
                for text in (f"{median(lap.train for lap in laps):.1f}", _ratios(laps, plain))
            ),
            *(_last_third([lap.rewards for lap in laps]) for laps in (plain, cell)),
            f"{median(c.peak_memory_bytes / p.peak_memory_bytes for p, c in zip(plain, cell, strict=True)):.2f}x",
        )
    console.print(table)


def _ratios(cells: list[Lap], plain: list[Lap]) -> str:
    ratios = [cell.train / script.train for cell, script in zip(cells, plain, strict=True)]
    return f"{min(ratios):.2f} {median(ratios):.2f} {max(ratios):.2f}"


def _last_third(curves: list[list[float]]) -> str:
    """Mean reward over the last third of the steps: the mean over seeds, and their range."""
    ends = [fmean(curve[-len(curve) // 3 :]) for curve in curves]
    return f"{fmean(ends):.3f} ({min(ends):.2f}-{max(ends):.2f})"


def _show_stages(console: Console, races: dict[str, Race]) -> None:
    table = Table(title="stages of a cell with one thread, seconds (median) and share")
    table.add_column("stage")
    for method in races:
        table.add_column(method, justify="right")
    cells = {method: [pair.cell for pair in race.pairs] for method, race in races.items()}
    for stage in STAGES:
        seconds = {method: median(lap.seconds.get(stage, 0.0) for lap in laps) for method, laps in cells.items()}
        shares = {
            method: median(lap.seconds.get(stage, 0.0) / lap.whole for lap in laps) for method, laps in cells.items()
        }
        table.add_row(stage, *(f"{seconds[method]:.2f}  {shares[method]:4.0%}" for method in cells))
    table.add_row("whole cell", *(f"{median(lap.whole for lap in laps):.2f}" for laps in cells.values()))
    table.add_row("all but rollout and update", *(f"{median(map(_beside, laps)):.0%}" for laps in cells.values()))
    console.print(table)


def _beside(lap: Lap) -> float:
    return 1 - (lap.seconds["train/rollout"] + lap.seconds["train/update"]) / lap.whole


def _show_grid(console: Console, course: Course, count: int, races: dict[str, Race]) -> None:
    """The same cells one after another and on two workers, and the script in a loop."""
    names = list(races)
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
    loop = [
        _plain(course, cell.method_name, cell.seed, races[cell.method_name].threads, races[cell.method_name].bf16)
        for cell in grid
    ]
    whole, train = sum(lap.whole for lap in loop), sum(lap.train for lap in loop)
    console.print(
        f"the script {count} times in a loop: {whole:.1f} s, of which {train:.1f} s training; the cells on two workers "
        f"with geometry, evaluation and records take {seconds[2] / whole:.2f} and {seconds[2] / train:.2f} of that"
    )


if __name__ == "__main__":
    main()
