"""The largest eigenvalue of the Hessian, against numpy's of dense matrices."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launch_fixture import save_tiny_base, write_experiment
from method_runs import array, prompts
from tiny_models import llama, tied_qwen

from rlvr_bench.cell.run import run_cell
from rlvr_bench.experiment.experiment import load as load_experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.geometry.lanczos import largest_eigenvalue
from rlvr_bench.geometry.sharpness import hessian_product, sharpness
from rlvr_bench.methods import create
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.masks.fisher import BATCH, Completion

REFERENCE = Path(__file__).parents[2] / "bench" / "presets" / "reference.toml"


def completions(count: int = 5) -> list[Completion]:
    """Of five and of seven tokens, two of them the prompt's."""
    drawn = torch.randint(3, 64, (count, 7), generator=torch.Generator().manual_seed(3))
    return [Completion(row[: 5 + 2 * (place % 2)], 2) for place, row in enumerate(drawn)]


def attached(settings: dict[str, Any], make: Any = llama) -> Handle:
    model = make()
    return budget.resolve(create(settings), model).attach(model, seed=0, calibration=prompts())


def gradient(handle: Handle, given: list[Completion]) -> np.ndarray:
    """The gradient of the mean negative log-likelihood, by backward passes over sequences of one length at a time."""
    handle.model.eval()
    handle.model.zero_grad()
    tokens = sum(len(each.token_ids) - 2 for each in given)
    for length in (5, 7):
        rows = torch.stack([each.token_ids for each in given if len(each.token_ids) == length])
        log_probs = handle.model(input_ids=rows).logits.log_softmax(-1)[:, 1:-1]
        (-log_probs.gather(-1, rows[:, 2:, None]).sum() / tokens).backward()
    return np.concatenate([array(parameter.grad).ravel() for _, parameter in handle.trainable()])


def dense_hessian(handle: Handle, given: list[Completion], step: float = 1e-3) -> np.ndarray:
    """Column by column, from central differences of the gradient; norms are computed in float32 all the same."""
    handle.model.double()
    columns = []
    for parameter in (tensor for _, tensor in handle.trainable()):
        start = parameter.detach().clone()
        for place in range(parameter.numel()):
            sides = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter.view(-1)[place] += sign * step
                sides.append(gradient(handle, given))
                with torch.no_grad():
                    parameter.copy_(start)
            columns.append((sides[0] - sides[1]) / (2 * step))
    return np.array(columns)


SMALL = [{"type": "ln-tuning"}, {"type": "lora", "rank": 1, "targets": ["q_proj"]}]


@pytest.mark.parametrize("settings", SMALL, ids=str)
@pytest.mark.parametrize("make", [llama, tied_qwen])
def test_it_is_the_largest_eigenvalue_of_the_dense_hessian(settings: dict[str, Any], make: Any) -> None:
    given = completions(BATCH + 2)
    found = sharpness(attached(settings, make), given, products=80)
    dense = dense_hessian(attached(settings, make), given)
    np.testing.assert_allclose(dense, dense.T, atol=1e-3 * np.abs(dense).max())
    assert found["eigenvalue"] == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=3e-3)
    assert found["residual"] < 1e-2 * found["eigenvalue"]


def test_the_largest_is_not_the_largest_in_size() -> None:
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    matrix = turned @ np.diag(np.concatenate([[-50.0, 3.0], np.linspace(-1, 1, 198)])) @ turned.T
    held = torch.as_tensor(matrix, dtype=torch.float32)
    found = largest_eigenvalue(lambda vector: held @ vector, torch.zeros(200), 60)
    assert found.value == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=2e-3) and found.products < 60
    short = largest_eigenvalue(lambda vector: held @ vector, torch.zeros(200), 4)
    assert short.products == 4 and short.value <= found.value and short.residual > 0.01


def test_a_start_that_is_spanned_ends_the_search() -> None:
    assert largest_eigenvalue(lambda vector: 2.0 * vector, torch.zeros(50), 60)[::2] == (pytest.approx(2.0), 1)
    assert largest_eigenvalue(lambda vector: 0.0 * vector, torch.zeros(50), 60).value == 0
    assert largest_eigenvalue(lambda vector: -vector, torch.zeros(1), 60).value == pytest.approx(-1.0)


@pytest.mark.parametrize("name", tomllib.loads(REFERENCE.read_text(encoding="utf-8"))["methods"])
def test_every_method_of_the_reference_has_one_and_is_left_as_it_was(name: str) -> None:
    entry = tomllib.loads(REFERENCE.read_text(encoding="utf-8"))["methods"][name]
    handle = attached({"type": name} | {key: value for key, value in entry.items() if key != "search"})
    before = {key: tensor.detach().clone() for key, tensor in handle.model.state_dict().items()}
    given = completions()
    found = sharpness(handle, given, products=20)
    assert found["eigenvalue"] > 0
    assert all(torch.equal(tensor, before[key]) for key, tensor in handle.model.state_dict().items())
    assert all(parameter.grad is None for parameter in handle.model.parameters())
    along = torch.randn(sum(p.numel() for _, p in handle.trainable()), generator=torch.Generator().manual_seed(1))
    parameters = [parameter for _, parameter in handle.trainable()]
    product = hessian_product(handle.model, parameters, given, along)
    other = torch.randn(len(along), generator=torch.Generator().manual_seed(2))
    crossed = hessian_product(handle.model, parameters, given, other)
    assert float(product @ other) == pytest.approx(float(crossed @ along), rel=1e-3, abs=1e-3), "a Hessian is symmetric"


def test_a_cell_is_measured_before_its_first_step_and_trains_as_it_would_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    write_experiment(tmp_path, save_tiny_base(tmp_path / "tiny-base"))
    path, results = tmp_path / "tiny.toml", []
    text = path.read_text(encoding="utf-8")
    table = "[measurements.sharpness]\nproblems = 4\n\n"
    for asked, rate in (("", "1e-2"), (table, "1e-2"), (table, "1e-1")):
        changed = text.replace("[methods.full]", f"{asked}[methods.full]").replace("1e-2", rate)
        path.write_text(changed, encoding="utf-8")
        (cell,) = cells(load_experiment(str(path)), only="lora", seeds=(0,))
        result = run_cell(cell, lambda event: None)
        assert result is not None
        results.append(result)
    without, measured, faster = (result.record for result in results)
    assert [step.loss for step in results[0].steps] == [step.loss for step in results[1].steps]
    assert without.accuracy == measured.accuracy and "sharpness" not in without.measurements
    found = measured.measurements["sharpness"]
    assert found == faster.measurements["sharpness"] and measured.cell["learning_rate"] != faster.cell["learning_rate"]
    assert found.keys() == {"gold", "own"} and all(each["eigenvalue"] > 0 for each in found.values())
