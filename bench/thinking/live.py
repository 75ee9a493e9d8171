"""Parallel thinking as it runs: traces are scored while they are decoded, and stopped ones free their place."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.monitor import CacheView
from rlvr_bench.generate.sampling import Keys, row_keys
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.thinking import cached_decoder
from rlvr_bench.thinking.policies import DeepConf, Full, Policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.readers import ConfidenceReader, NoReader, ProbeReader, Reader, fast_weights
from rlvr_bench.thinking.sampling import Asker
from rlvr_bench.thinking.settings import Reach
from rlvr_bench.thinking.trace import Trace


@dataclass(frozen=True, slots=True)
class LiveRun:
    """`traces` problem by problem, `size` each, as far as they ran. `scores` are the newest ones.

    `readings` are all (trace, position) pairs that were scored; `probe_tokens` what they cost in tokens.
    """

    traces: list[Trace]
    size: int
    scores: list[float]
    dropped: list[bool]
    readings: list[dict[int, float]]
    probe_tokens: int
    seconds: float

    @property
    def tokens(self) -> int:
        """All generated tokens: of dropped traces too, EOS and probe tokens counted."""
        return sum(len(trace.tokens) for trace in self.traces) + self.probe_tokens


MOST_WAITING = 64
"""Ended traces whose cache is kept until they are read together."""

Watch = Callable[["Pruner", int], None]
"""Called after each look at running traces, with the tokens read."""


class Pruner:
    """A monitor that scores rows when its policy is due, and stops those that it does not keep.

    Rows are numbered problem by problem, `size` a problem; `least` overrides a threshold by problem.
    """

    def __init__(self, policy: Policy, reader: Reader, rows: int, size: int, watch: Watch | None = None) -> None:
        self.places = reader.places
        self.policy, self.reader, self.size, self.watch = policy, reader, size, watch
        # By problem, since a policy compares the traces of one problem and nothing else.
        self.alive: list[dict[int, float]] = [{} for _ in range(-(-rows // size))]
        self.readings: list[dict[int, float]] = [{} for _ in range(rows)]
        self.dropped, self.done = [False] * rows, [False] * rows
        self._ended: list[CacheView] = []

    def running(self, view: CacheView, logits: Tensor) -> Tensor:
        """See `Monitor.running`."""
        # Before the policy: a confidence needs every step's distribution, also where nothing is due.
        self.reader.follow(view, logits)
        rows: list[int] = view.rows.tolist()
        # Nothing has been read at 0 tokens, so there is nothing to compare.
        if view.fed and self.policy.due(view.fed):
            self.read_ended()
            self._read(view, rows)
            for problem in dict.fromkeys(row // self.size for row in rows):
                self._prune(problem, view.fed)
        if self.watch is not None:
            self.read_ended()
            self.watch(self, view.fed)
        return torch.tensor([not self.dropped[row] for row in rows])

    def ended(self, view: CacheView) -> None:
        """See `Monitor.ended`: the last reading of a trace, which can wait until somebody compares it."""
        self._ended.append(view)
        for row in view.rows.tolist():
            self.done[row] = True
        if sum(len(each.rows) for each in self._ended) >= MOST_WAITING:
            self.read_ended()

    def read_ended(self) -> None:
        """Read all traces that have ended since the last time, at once: few rows cost almost as much as many."""
        if not self._ended:
            return
        first, *others = self._ended
        places = [(row, view.fed) for view in self._ended for row in view.rows.tolist()]
        self._ended = []
        for (row, fed), score in zip(places, self.reader.read(first.joined(others)), strict=True):
            self.alive[row // self.size][row] = self.readings[row][fed] = score

    def _read(self, view: CacheView, rows: list[int]) -> None:
        for row, score in zip(rows, self.reader.read(view), strict=True):
            self.alive[row // self.size][row] = self.readings[row][view.fed] = score

    def _prune(self, problem: int, read: int) -> None:
        alive = self.alive[problem]
        # `alive` holds ended traces too: they compete with the running ones, and one that loses has no vote.
        survivors = self.policy.survivors(read, alive)
        for row in [row for row in alive if row not in survivors]:
            self.dropped[row] = True
            del alive[row]

    @property
    def probe_tokens(self) -> int:
        """What the readings cost."""
        return self.places * sum(map(len, self.readings))


class OnlineConfidence(Pruner):
    """DeepConf online: a row stops when its lowest group confidence falls below its problem's threshold."""

    def __init__(self, reader: Reader, thresholds: Sequence[float], window: int, rows: int, size: int) -> None:
        super().__init__(Full(), reader, rows, size)
        self.thresholds, self.window = thresholds, window

    def running(self, view: CacheView, logits: Tensor) -> Tensor:
        """See `Monitor.running`."""
        super().running(view, logits)
        rows: list[int] = view.rows.tolist()
        # Before a whole group of tokens has been drawn there is no group confidence to be below.
        if view.fed + 1 >= self.window:
            self._read(view, rows)
            for row in rows:
                self.dropped[row] = self.alive[row // self.size][row] < self.thresholds[row // self.size]
        return torch.tensor([not self.dropped[row] for row in rows])


def think(
    asker: Asker,
    problems: Sequence[Problem],
    size: int,
    policy: Policy,
    reader: Callable[[], Reader] = NoReader,
    window: int = 0,
    watch: Watch | None = None,
    first: int = 0,
) -> LiveRun:
    """`size` traces per problem under a policy.

    Args:
        first: number of a problem's first trace; those before it were drawn in an earlier round.
        reader: makes what the traces are scored by; "deepconf" uses the lowest group confidence whatever is given.
        window: tokens of a confidence group, for "deepconf".
    """
    # The keys follow prompt and number: the n-th trace of a problem is the same under every policy.
    prompts = [prompt for prompt in asker.prompts(problems) for _ in range(size)]
    every = [prompt for prompt in asker.prompts(problems) for _ in range(first + size)]
    keys = row_keys(every, asker.settings.seed)[[row for row in range(len(every)) if row % (first + size) >= first]]
    started = time.perf_counter()
    if isinstance(policy, DeepConf):
        return _numbered(_deep_conf(asker, problems, size, policy, window, prompts, keys), first)
    pruner = Pruner(policy, reader(), len(prompts), size, watch)
    completions = _decode(asker, prompts, keys, pruner, size)
    seconds = time.perf_counter() - started
    traces = asker.graded(problems, size, prompts, completions)
    scores = [list(own.values())[-1] for own in pruner.readings]
    run = LiveRun(traces, size, scores, pruner.dropped, pruner.readings, pruner.probe_tokens, seconds)
    return _numbered(run, first)


def _numbered(run: LiveRun, first: int) -> LiveRun:
    """A run whose traces are numbered from `first` within their problems."""
    return replace(run, traces=[replace(trace, sample=trace.sample + first) for trace in run.traces]) if first else run


def joined(runs: Sequence[LiveRun]) -> LiveRun:
    """Rounds of the same problems as one run, in which all traces of a problem vote together."""
    size, count = sum(run.size for run in runs), len(runs[0].traces) // runs[0].size
    places = [
        (run, row)
        for number in range(count)
        for run in runs
        for row in range(number * run.size, (number + 1) * run.size)
    ]
    return LiveRun(
        [run.traces[row] for run, row in places],
        size,
        [run.scores[row] for run, row in places],
        [run.dropped[row] for run, row in places],
        [run.readings[row] if run.readings else {} for run, row in places],
        sum(run.probe_tokens for run in runs),
        sum(run.seconds for run in runs),
    )


def probe_reader(asker: Asker, probe: Probe) -> Callable[[], Reader]:
    """A maker of readers of `probe`, as it is at the first one, that fit the asker's decoder."""
    fast = isinstance(asker.backend, FastBackend) and probe.reach == Reach()
    weights = cache(partial(fast_weights, probe))
    return lambda: ProbeReader(probe, weights() if fast else None)


def _decode(asker: Asker, prompts: list[list[int]], keys: Keys, pruner: Pruner, size: int) -> Completions:
    # Whole problems in a batch: the pruner compares their traces.
    params = replace(asker.params, batch_size=max(1, asker.settings.batch_size // size) * size)
    if isinstance(asker.backend, FastBackend) and pruner.reader.fast:
        completions = asker.backend.generate(asker.model, prompts, params, pruner, keys)
    else:
        completions = cached_decoder.generate(asker.model, prompts, params, pruner, keys)
    pruner.read_ended()
    return completions


def _deep_conf(
    asker: Asker,
    problems: Sequence[Problem],
    size: int,
    policy: DeepConf,
    window: int,
    prompts: list[list[int]],
    keys: Keys,
) -> LiveRun:
    """Warm-up traces first, then the rest under the thresholds that follow from them."""
    started = time.perf_counter()
    warm = min(policy.warm_up, size)
    parts: list[tuple[list[int], Pruner, Completions]] = []
    thresholds: list[float] = []
    # Numbered by `size` in both rounds, so that the noise is that of a run without warm-up.
    for begin, end in ((0, warm), (warm, size)):
        rows = [row for row in range(len(prompts)) if begin <= row % size < end]
        if not rows:
            continue
        reader = ConfidenceReader("lowest", window)
        pruner = (
            OnlineConfidence(reader, thresholds, window, len(rows), end - begin)
            if thresholds
            else Pruner(Full(), reader, len(rows), end - begin)
        )
        completions = _decode(asker, [prompts[row] for row in rows], keys[rows], pruner, end - begin)
        parts.append((rows, pruner, completions))
        # Of the warm-up; after the second round they are not used again.
        thresholds = [float(np.quantile(list(own.values()), 1 - policy.eta)) for own in pruner.alive]
    seconds = time.perf_counter() - started
    return _joined(asker, problems, size, prompts, parts, seconds)


def _joined(
    asker: Asker,
    problems: Sequence[Problem],
    size: int,
    prompts: list[list[int]],
    parts: list[tuple[list[int], Pruner, Completions]],
    seconds: float,
) -> LiveRun:
    count = len(prompts)
    whole = Completions([[] for _ in range(count)], [[] for _ in range(count)], None, [True] * count)
    readings: list[dict[int, float]] = [{} for _ in range(count)]
    dropped = [False] * count
    # Back into the order problem by problem, in which everything downstream counts rows.
    for rows, pruner, completions in parts:
        for place, row in enumerate(rows):
            whole.token_ids[row] = completions.token_ids[place]
            whole.truncated[row] = completions.truncated[place]
            readings[row], dropped[row] = pruner.readings[place], pruner.dropped[place]
    traces = asker.graded(problems, size, prompts, whole)
    return LiveRun(traces, size, [list(own.values())[-1] for own in readings], dropped, readings, 0, seconds)
