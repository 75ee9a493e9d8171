"""On a GPU: cells by every backend and precision, and a table of their seconds and memory for docs/gpu.md.

`RLVR_BENCH_GPU_BASES` names the bases, folders or hub ids with commas between: a small one and one of 0.5 to 1.5B.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

BASES = os.environ.get("RLVR_BENCH_GPU_BASES", "smollm2").split(",")
EXPERIMENT = Path(__file__).parents[1] / "vllm" / "smollm2.toml"
METHODS = {"full", "lora", "mask-random"}
ROLLOUTS = [(backend, "auto") for backend in ("fast", "hf", "vllm")] + [("fast", "padded")]


@pytest.fixture(scope="module")
def rows() -> Iterator[list[str]]:
    """The rows of the table, printed at the end: run pytest with -s."""
    lines = ["| run | method | seconds a stage | peak GiB | mismatch |", "|---|---|---|---|---|"]
    yield lines
    print("\n" + "\n".join(lines))


def _run(folder: Path, rows: list[str], title: str, *options: str) -> list[RunRecord]:
    command = [sys.executable, "-m", "rlvr_bench", "run", str(EXPERIMENT), "--results", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = store.load_all(folder)[0]
    for record in records:
        assert record.cost is not None and record.rollout is not None
        seconds = ", ".join(f"{stage} {spent:.0f}" for stage, spent in record.cost.seconds.items())
        memory = f"{(record.cost.peak_memory_bytes or 0) / 2**30:.1f}"
        cells = [title, record.cell["method_name"], seconds, memory, f"{record.rollout['mismatch_mean']:.1g}"]
        rows.append(f"| {' | '.join(cells)} |")
    return records


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("rollout", "update"), ROLLOUTS)
def test_a_cell_of_each_method(
    tmp_path: Path, rows: list[str], base: str, precision: str, rollout: str, update: str
) -> None:
    if rollout == "vllm":
        pytest.importorskip("vllm", reason="needs the extra rlvr-bench[vllm]")
    sets = (f'bases=["{base}"]', f"signal.precision={precision}", f"signal.rollout_backend={rollout}")
    options = [word for each in (*sets, f"signal.update_backend={update}") for word in ("--set", each)]
    records = _run(tmp_path, rows, f"{base} {rollout} {update} {precision}", *options, "--workers", "1")
    assert {record.cell["method_name"] for record in records if record.status == "done"} == METHODS


def test_several_cells_share_a_gpu(tmp_path: Path, rows: list[str]) -> None:
    records = _run(tmp_path, rows, "three at a time", "--workers", "3")
    assert [record.status for record in records] == ["done"] * 3


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_cell_is_shared_by_two_gpus(tmp_path: Path, rows: list[str]) -> None:
    records = _run(tmp_path, rows, "two GPUs", "--processes", "2", "--workers", "1")
    assert [record.status for record in records] == ["done"] * 3


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_cell_is_sharded_over_two_gpus(tmp_path: Path, rows: list[str], method: str) -> None:
    (record,) = _run(tmp_path, rows, "two GPUs, sharded", "--processes", "2", "--shard", "--only", method)
    assert record.status == "done" and record.environment.sharded


def test_a_lora_is_served_as_an_adapter(tmp_path: Path, rows: list[str]) -> None:
    pytest.importorskip("vllm", reason="needs the extra rlvr-bench[vllm]")
    sets = ("signal.rollout_backend=vllm", "signal.vllm_adapters=true")
    options = [word for each in sets for word in ("--set", each)]
    (record,) = _run(tmp_path, rows, "vllm, an adapter", "--only", "lora", "--workers", "1", *options)
    assert record.status == "done" and record.attestation is not None
    assert record.attestation["rollout_mismatch"] < 1e-3
