"""What verification costs: probing every 8th position while traces are decoded, and scoring a finished trace.

`python tests/perf/probe_cost.py [MODEL] [TRACES] [TOKENS]` prints seconds and ratios; nothing is asserted. The parts
are timed in turn and the fastest of several rounds counts, so that other work on the machine weighs little.
"""

import sys
import time
from collections.abc import Callable

import torch

from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.monitor import CacheView
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.live import Pruner
from rlvr_bench.thinking.policies import Full
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.readers import NoReader, ProbeReader, fast_weights
from rlvr_bench.thinking.trace import Trace, positions

ROUNDS = 5
EVERY = 8


class _Every(Full):
    """Reads every 8th position and stops nothing."""

    def due(self, read: int) -> bool:
        return read % EVERY == 0


class _OnTheWay(Pruner):
    """Leaves the last reading out, which is not on the way."""

    def ended(self, view: CacheView) -> None:
        pass


def fastest(parts: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each part, the best of the rounds."""
    best = dict.fromkeys(parts, float("inf"))
    for _ in range(ROUNDS):
        for name, run in parts.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def main(name: str = "organism-steps", rows: str = "64", tokens: str = "96") -> None:
    """Measure one model."""
    count, length = int(rows), int(tokens)
    loaded = load(BaseConfig(name=name))
    model, probe = loaded.model, Probe(loaded.model, 1, 16, seed=0)
    source = torch.Generator().manual_seed(0)
    prompts = torch.randint(10, 60, (count, 12), generator=source).tolist()
    reader = ProbeReader(probe, fast_weights(probe))
    params = SamplingParams(max_new_tokens=length, temperature=1.0, batch_size=count)

    def decode(policy: Full, reads: bool) -> None:
        chosen = reader if reads else NoReader()
        FastBackend().generate(model, prompts, params, _OnTheWay(policy, chosen, count, 16))

    done = FastBackend().generate(model, prompts, params)
    traces = [
        Trace("", 0, tuple(p), tuple(t), "", None, False, "", True)
        for p, t in zip(prompts, done.token_ids, strict=True)
    ]
    batch = collate(traces, [positions(trace.fed, 1) for trace in traces], model.device)
    sparse = collate(traces, [positions(trace.fed, EVERY) for trace in traces], model.device)
    with probe.without_training():
        seconds = fastest(
            {
                "decode": lambda: decode(Full(), reads=False),
                "decode, probed": lambda: decode(_Every(), reads=True),
                "forward": lambda: model(input_ids=batch.token_ids, use_cache=False),
                "score, all positions": lambda: probe.logits(batch),
                "score, every 8th": lambda: probe.logits(sparse),
            }
        )
    for part, value in seconds.items():
        print(f"{part:24} {1000 * value:8.1f} ms")
    print(f"probing every {EVERY}th position adds {seconds['decode, probed'] / seconds['decode'] - 1:.1%} to decoding")
    for part in ("score, all positions", "score, every 8th"):
        print(f"{part} costs {seconds[part] / seconds['forward']:.2f} forwards")


if __name__ == "__main__":
    main(*sys.argv[1:])
