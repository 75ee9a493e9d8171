"""Curvature of the changed weights on planted updates: where the Fisher information is low, high, or anywhere."""

import pytest
import torch

from rlvr_bench.geometry.curvature import curvature

SHAPE = (64, 64)


def planted(place: torch.Tensor, size: float = 0.1) -> tuple[str, torch.Tensor, torch.Tensor]:
    """A matrix whose entries at `place` moved by far more than bf16's step."""
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(SHAPE, generator=generator)
    return "w", before, before + size * torch.randn(SHAPE, generator=generator).sign() * place


@pytest.fixture
def fisher() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)).exp()


def test_mass_is_the_mean_information_of_the_changed_weights_over_that_of_all(fisher: torch.Tensor) -> None:
    low = fisher < fisher.median()
    found = curvature([planted(low)], {"w": fisher})
    assert found["mass"] == pytest.approx(float(fisher[low].mean() / fisher.mean()), rel=0.01)
    assert found["energy"] == pytest.approx(found["mass"], rel=0.02)  # all of the same size
    assert found["null"]["permuted"]["mass"] == pytest.approx(1.0, abs=0.02)
    assert found["null"]["permuted"]["mass_lift"] < 0.9
    high = curvature([planted(~low)], {"w": fisher})
    assert high["mass"] > 1 and high["null"]["isotropic"]["energy_lift"] > 1


def test_an_update_that_does_not_look_at_curvature_has_none(fisher: torch.Tensor) -> None:
    anywhere = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) < 0.3
    found = curvature([planted(anywhere)], {"w": fisher})
    assert found["mass"] == pytest.approx(1.0, abs=0.05)
    assert found["null"]["isotropic"]["mass_lift"] == pytest.approx(1.0, abs=0.05)


def test_without_a_change_there_is_no_figure(fisher: torch.Tensor) -> None:
    found = curvature([planted(torch.zeros(SHAPE))], {"w": fisher})
    assert (found["mass"], found["energy"], found["null"]["permuted"]["mass_lift"]) == (None, None, None)


def test_matrices_without_fisher_information_are_left_out(fisher: torch.Tensor) -> None:
    one = planted(torch.ones(SHAPE))
    assert curvature([one, ("embed", *one[1:])], {"w": fisher}) == curvature([one], {"w": fisher})
