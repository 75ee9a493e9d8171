"""float32 linear layers through oneDNN against numpy in float64, and who uses them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from rlvr_bench.generate import matmul

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture(params=["onednn", "blas"], autouse=True)
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(matmul, "library", lambda: request.param)
    yield request.param


def _double(tensor: torch.Tensor | None) -> Any:
    assert tensor is not None
    return tensor.detach().double().numpy()


@pytest.mark.parametrize("shape", [(128, 24), (2, 192, 24), (3, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_and_its_gradients_are_numpys(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(1)
    layer, x = nn.Linear(24, 10, bias=bias), torch.randn(shape, requires_grad=True)
    slope = torch.randn(*shape[:-1], 10)
    with matmul.fast_linear():
        y = layer(x)
    (y * slope).sum().backward()
    weight, rows, slopes = _double(layer.weight), _double(x).reshape(-1, 24), _double(slope).reshape(-1, 10)
    wanted = rows @ weight.T + (_double(layer.bias) if bias else 0)
    np.testing.assert_allclose(_double(y).reshape(-1, 10), wanted, atol=1e-5)
    np.testing.assert_allclose(_double(x.grad).reshape(-1, 24), slopes @ weight, atol=1e-5)
    np.testing.assert_allclose(_double(layer.weight.grad), slopes.T @ rows, atol=1e-4)
    if bias:
        np.testing.assert_allclose(_double(layer.bias.grad), slopes.sum(axis=0), atol=1e-4)


@pytest.mark.parametrize("shape", [(128, 24), (2, 64, 24), (1, 256, 24)])
def test_a_result_may_be_added_to_in_place(shape: tuple[int, ...]) -> None:
    layer, x = nn.Linear(24, 10), torch.randn(shape)
    with matmul.fast_linear():
        y = layer(x)
        y += torch.ones_like(y)
        (y * y).sum().backward()
    again = layer(x) + 1
    (wanted,) = torch.autograd.grad((again * again).sum(), layer.weight)
    torch.testing.assert_close(layer.weight.grad, wanted, rtol=1e-4, atol=1e-4)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    x, weight = torch.randn(128, 8), torch.randn(4, 8, requires_grad=True)
    with matmul.fast_linear():
        functional.linear(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None
    with matmul.fast_linear(), torch.no_grad():
        assert not functional.linear(x, weight).requires_grad


def test_other_types_and_autocast_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("this is no product for oneDNN")

    monkeypatch.setattr(matmul, "_onednn", refuse)
    x, weight = torch.randn(128, 8), torch.randn(4, 8)
    with matmul.fast_linear():
        assert functional.linear(x.bfloat16(), weight.bfloat16()).dtype == torch.bfloat16
        assert functional.linear(x.double(), weight.double()).dtype == torch.float64
        assert functional.linear(x[:8], weight).shape == (8, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert functional.linear(x, weight).dtype == torch.bfloat16


def test_outside_of_the_context_nothing_changes(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    inside = matmul._onednn
    monkeypatch.setattr(matmul, "_onednn", lambda *given: seen.append(1) or inside(*given))
    x, layer = torch.randn(128, 8), nn.Linear(8, 4)
    with matmul.fast_linear():
        layer(x)
    layer(x)
    assert len(seen) == (chosen == "onednn")


@pytest.mark.parametrize("rows", [1, 8, 13, 64, 96])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_without_gradients_is_numpys(rows: int, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "MIN_MULTIPLICATIONS", 8 * 240)
    torch.manual_seed(1)
    x, weight, total = torch.randn(rows, 24), torch.randn(24, 10), torch.randn(rows, 10)
    added, before = torch.randn(10) if bias else None, _double(total).copy()
    wanted = _double(x) @ _double(weight)
    with torch.inference_mode():
        np.testing.assert_allclose(
            _double(matmul.product(x, weight, added)), wanted + (_double(added) if bias else 0), atol=1e-5
        )
        matmul.add_product(total, x, weight)
    np.testing.assert_allclose(_double(total), before + wanted, atol=1e-5)


def test_rows_are_filled_up_only_where_the_product_is_worth_it(chosen: str) -> None:
    wide, narrow = torch.empty(576, 1536), torch.empty(4, 4)
    expected = {3: 8, 30: 32, 64: 64, 65: 96, 200: 224} if chosen == "onednn" else {3: 3, 30: 30, 65: 65}
    assert {rows: matmul.whole_blocks(rows, wide) for rows in expected} == expected
    assert matmul.whole_blocks(65, narrow) == 65
    assert matmul.whole_blocks(30, wide.bfloat16()) == 30
