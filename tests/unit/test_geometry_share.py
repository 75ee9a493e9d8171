"""The geometry's share of a cell, by counted operations: a sample takes what it says, and a tenth of a cell at most."""

from collections.abc import Callable
from concurrent.futures import Future
from math import prod
from typing import Any

import pytest
from test_geometry_sample import Shapes, model_of, pairs_of
from torch.utils._python_dispatch import TorchDispatchMode

from rlvr_bench.experiment.experiment import load
from rlvr_bench.geometry import sample as sampling
from rlvr_bench.geometry.cell import cell_geometry
from rlvr_bench.geometry.cost import BASE_SHARE, seconds
from rlvr_bench.geometry.measurements import settings_of_a_cell
from rlvr_bench.geometry.sample import draw_sample
from rlvr_bench.train.ledger import Shape

FLOAT32_PER_SECOND = 90e9
"""Operations of one thread in float32 products, measured where float64 ones run at 20e9."""
PASSES, ENTRIES_PER_SECOND = 12, 1e9
"""What norms and sparsities of all entries take: passes over them, and entries a second in each."""
PROMPT, COMPLETION = 24, 4
"""Tokens of the shortest questions and answers of the boards."""


class _Counted(TorchDispatchMode):
    """Counts the floating-point operations of products and decompositions."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, first = func._schema.name.removeprefix("aten::"), args[0] if args else None
        if name == "mm":
            self.flops += 2 * prod(first.shape) * args[1].shape[1]
        elif name in ("_linalg_eigh", "_linalg_svd", "linalg_qr"):
            side, long = sorted(first.shape[-2:])
            vectors = not (name == "_linalg_eigh" and not args[2:] and not (kwargs or {}).get("compute_v", True))
            # Householder tridiagonalisation 4/3 n^3, with vectors about 9 n^3 in all (Golub and Van Loan, 8.3).
            self.flops += (9 if vectors else 4 / 3) * side**2 * (side if name == "_linalg_eigh" else long)
        return func(*args, **(kwargs or {}))


class _OneThread:
    """An executor that works in the calling thread, where operations are counted."""

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> "_OneThread":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, function: Callable[..., Any], *given: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(function(*given))
        return done


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> _Counted:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr("rlvr_bench.geometry.measure.ThreadPoolExecutor", _OneThread)
    monkeypatch.setattr(sampling, "SMALL_FLOPS", 1e10)
    return _Counted()


def test_a_sample_takes_no_more_than_it_says_and_bases_are_decomposed_once(counted: _Counted) -> None:
    shapes = model_of(4, 288, 40)
    settings = settings_of_a_cell(shapes)
    sample = draw_sample(shapes, settings, 100)
    assert sample is not None and len(sample.weights) < sample.matrices
    spent = []
    for _ in range(2):  # two cells on one base
        before = counted.flops
        with counted:
            cell_geometry(pairs_of(shapes), settings, sample)
        spent.append(counted.flops - before)
    assert 0.1 * sample.flops < spent[1] < spent[0] <= (1 + BASE_SHARE) * sample.flops


SMOLLM2 = model_of(30, 576, 49_152)
QWEN: Shapes = {"embed_tokens.weight": (151_936, 896)} | {
    f"layers.{layer}.{kind}.weight": shape
    for layer in range(24)
    for kind, shape in {
        "q_proj": (896, 896),
        "k_proj": (128, 896),
        "v_proj": (128, 896),
        "o_proj": (896, 896),
        "gate_proj": (4864, 896),
        "up_proj": (4864, 896),
        "down_proj": (896, 4864),
    }.items()
}
GEMMA: Shapes = {"embed_tokens.weight": (262_144, 640)} | {
    f"layers.{layer}.{kind}.weight": shape
    for layer in range(18)
    for kind, shape in {"q_proj": (1024, 640), "k_proj": (256, 640), "up_proj": (2048, 640)}.items()
}


@pytest.mark.parametrize(
    ("shapes", "preset"),
    [(SMOLLM2, "board-smollm2"), (SMOLLM2, "smollm2"), (QWEN, "rewards-qwen"), (GEMMA, "rewards-qwen")],
)
def test_geometry_is_a_tenth_of_a_real_models_cell_at_most(shapes: Shapes, preset: str) -> None:
    signal = load(preset).signals[0]
    completions = signal.steps * signal.batch_size
    sample = draw_sample(shapes, settings_of_a_cell(shapes), completions)
    assert sample is not None
    parameters = sum(map(prod, shapes.values()))
    measured = (1 + BASE_SHARE) * seconds(sample.flops) + PASSES * parameters / ENTRIES_PER_SECOND
    # The attention's own products are left out: they would only make the training longer.
    shape = Shape(weights=parameters, attention=0)
    trained = completions * (shape.decode(PROMPT, COMPLETION) + 3 * shape.forward(PROMPT + COMPLETION))
    assert measured <= 0.1 * trained / FLOAT32_PER_SECOND
