"""How much of the tokens that stopping saves is saved as time, and what traces that share a prompt save.

`python tests/perf/live_stopping.py [MODEL] [PROBLEMS] [TRACES] [TOKENS] [ROUNDS] [TASK] [DATA_DIR]` prints; nothing is
asserted. The probe is not trained, since it costs what a trained one costs. A policy and the full vote take turns in
one process, and the median of their ratios is shown: other work on the machine slows both. Processor seconds stand
beside wall-clock ones; on a busy machine they are what can be trusted. Prompts and weights are read whatever
is stopped: few traces, or short ones of long prompts, save less time.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.tasks import registry
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.thinking.live import LiveRun, probe_reader, think
from rlvr_bench.thinking.policies import policy
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.subject import Subject

TASKS = {"smollm2": {"name": "plain-arithmetic", "kinds": ["1+1", "1*1", "2+2"]}}


def timed(run: Callable[[], LiveRun]) -> tuple[LiveRun, float, float]:
    """What it gives, its wall-clock seconds and its processor's."""
    wall, processor = time.perf_counter(), time.process_time()
    done = run()
    return done, time.perf_counter() - wall, time.process_time() - processor


def compare(full: Callable[[], LiveRun], other: Callable[[], LiveRun], rounds: int) -> tuple[float, float, float]:
    """Shares of the full run's tokens, wall-clock and processor seconds; medians over rounds in turn."""
    shares = []
    for _ in range(rounds):
        (whole, *seconds), (part, *own) = timed(full), timed(other)
        shares.append((part.tokens / whole.tokens, *(a / b for a, b in zip(own, seconds, strict=True))))
    tokens, wall, processor = (median(column) for column in zip(*shares, strict=True))
    return tokens, wall, processor


def policies(tokens: int) -> list[str]:
    """One of each kind that stops by rank, early and halfway."""
    quarter = max(1, tokens // 4)
    return ["keep:count=1,at=2", f"keep:count=2,at={quarter}", f"halve:every={quarter}"]


def shared_prompt(subject: Subject, chosen: Sequence[Problem], size: int, rounds: int) -> None:
    """Print what the first token of `size` traces a problem costs, against as many problems of one trace each."""
    backend, params = subject.asker.backend, replace(subject.asker.params, max_new_tokens=1)
    others = subject.asker.task.problems("train")[: size * len(chosen)]
    parts = {
        "same prompt": [prompt for prompt in subject.asker.prompts(chosen) for _ in range(size)],
        "own prompts": subject.asker.prompts(others),
    }
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, prompts in parts.items():
            started = time.process_time()
            backend.generate(subject.model, prompts, params)
            seconds[name].append(time.process_time() - started)
    share = median(a / b for a, b in zip(seconds["same prompt"], seconds["own prompts"], strict=True))
    print(f"first tokens of {size} traces of one prompt: {share:.1%} of the time of traces with prompts of their own")


def main(
    name: str = "organism-steps",
    problems: str = "64",
    traces: str = "16",
    tokens: str = "48",
    rounds: str = "3",
    asked: str = "",
    data_dir: str = "",
) -> None:
    """Measure one model."""
    loaded, size, limit = load(BaseConfig(name=name)), int(traces), int(tokens)
    settings_of_task = {"name": asked} if asked else TASKS.get(name, {"name": "chain", "levels": [4]})
    task = registry.create(settings_of_task, Path(data_dir) if data_dir else None)
    settings = ThinkSettings.model_validate({"traces": {"samples": size, "max_new_tokens": limit, "batch_size": 512}})
    subject = Subject(loaded.model, loaded.tokenizer, task, settings, name)
    chosen: Sequence[Problem] = task.problems("test")[: int(problems)]
    reader = probe_reader(subject.asker, subject.probe(settings.scorer))

    def full() -> LiveRun:
        return think(subject.asker, chosen, size, policy("full"))

    print(f"{name}, {len(chosen)} problems, {size} traces of up to {limit} tokens, {torch.get_num_threads()} threads")
    full()  # whatever is loaded once
    reader()  # and merged once, for all problems
    shared_prompt(subject, chosen, size, int(rounds))
    print(f"{'policy':26} {'tokens':>7} {'wall':>7} {'cpu':>7}  share of the token saving that is saved: wall, cpu")
    for text in policies(limit):

        def stopped(text: str = text) -> LiveRun:
            return think(subject.asker, chosen, size, policy(text), reader)

        share, wall, cpu = compare(full, stopped, int(rounds))
        kept = [(1 - seconds) / (1 - share) for seconds in (wall, cpu)]
        print(f"{text:26} {share:7.1%} {wall:7.1%} {cpu:7.1%}  {kept[0]:7.1%} {kept[1]:7.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
