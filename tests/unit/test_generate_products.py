"""What float32 products go through is decided once: processes that would decide otherwise read what was decided."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.generate import float32_products, matmul
from rlvr_bench.generate.float32_products import VARIABLE, Timings, decide_ahead, decided, decision_file, forced
from rlvr_bench.grid.prepare import prepare_products

SLOW_BLAS, SLOW_ONEDNN = Timings(blas=2.0, onednn=1.0), Timings(blas=1.0, onednn=2.0)
DECIDES = (
    "import sys; from rlvr_bench.generate.float32_products import Timings, decided;"
    "print(decided(1, lambda: Timings(blas=float(sys.argv[1]), onednn=1.0)).library)"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def _started(code: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def _measured_again() -> Timings:
    raise AssertionError("it was decided already")


@pytest.mark.parametrize(
    ("timings", "library"),
    [(SLOW_BLAS, "onednn"), (SLOW_ONEDNN, "blas"), (Timings(blas=1.2, onednn=1.0), "blas"), (None, "blas")],
)
def test_the_first_decision_stays(timings: Timings | None, library: str) -> None:
    first = decided(1, lambda: timings)
    assert first.library == library and first.timings == timings
    assert decided(1, _measured_again) == first
    assert decision_file(2) != decision_file(1)


@pytest.mark.parametrize(("timings", "library"), [(SLOW_BLAS, "onednn"), (SLOW_ONEDNN, "blas")])
def test_a_process_that_would_decide_otherwise_reads_what_was_decided(timings: Timings, library: str) -> None:
    decided(1, lambda: timings)
    assert {_started(DECIDES, blas).communicate()[0] for blas in ("0.1", "10")} == {f"{library}\n"}


def test_processes_that_start_together_decide_alike() -> None:
    processes = [_started(DECIDES, blas) for blas in ("0.1", "10", "0.1", "10")]
    said = {process.communicate()[0] for process in processes}
    assert len(said) == 1 and said <= {"onednn\n", "blas\n"}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize(("timings", "library"), [(SLOW_BLAS, "onednn"), (SLOW_ONEDNN, "blas")])
def test_torch_uses_what_was_decided(timings: Timings, library: str) -> None:
    decided(1, lambda: timings)
    code = "from rlvr_bench.generate import matmul; print(matmul.library())"
    assert _started(code).communicate()[0] == f"{library}\n"


def test_the_parent_decides_for_all_cells_and_a_verb_decides_again(cache: Path) -> None:
    prepare_products([], 1)
    assert list(cache.iterdir()) == []
    prepare_products([object()], 1)  # type: ignore[list-item]
    kept = decision_file(1).read_text()
    assert decided(1, _measured_again).model_dump_json(indent=1) + "\n" == kept
    decision_file(1).write_text(kept.replace('"cpu": "', '"cpu": "older '))
    shown, renewed = (CliRunner().invoke(app, ["machine", "--json", *more]) for more in ([], ["--renew"]))
    assert json.loads(shown.stdout)["cpu"].startswith("older")
    assert not json.loads(renewed.stdout)["cpu"].startswith("older") and json.loads(renewed.stdout)["forced"] is None


def test_a_damaged_decision_is_made_again() -> None:
    decided(1, lambda: SLOW_BLAS)
    decision_file(1).write_text("{")
    assert decided(1, lambda: SLOW_ONEDNN).library == "blas"
    decision_file(1).write_text("{")
    assert decide_ahead(1).threads == 1


def test_the_environment_chooses_before_any_decision(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "_timings", _measured_again)
    monkeypatch.setenv(VARIABLE, "blas")
    assert matmul.library.__wrapped__() == "blas" and not list(cache.iterdir())
    prepare_products([object()], 1)  # type: ignore[list-item]
    assert not list(cache.iterdir())
    monkeypatch.setenv(VARIABLE, "auto")
    assert forced() is None
    monkeypatch.setenv(VARIABLE, "mkl")
    with pytest.raises(ExperimentError, match="set it to onednn, blas or auto"):
        forced()


def test_forcing_what_torch_has_not_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "onednn")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(ExperimentError, match="this torch has no oneDNN"):
        matmul.library.__wrapped__()


def test_a_process_that_cannot_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: no torch\n")

    monkeypatch.setattr(float32_products.subprocess, "run", fails)
    with pytest.raises(Exception, match=r"could not be timed \(ImportError: no torch\); choose"):
        decide_ahead(1)
