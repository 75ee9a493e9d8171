"""Ranks, scales and patterns of adapters and updates, against numpy and PEFT's own words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rlvr_bench.audit.adapter import open_adapter, targets
from rlvr_bench.audit.changes import change
from rlvr_bench.audit.errors import AuditError, LacksData
from rlvr_bench.audit.registry import MODULES, RULES

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


def low_rank(rank: int, scale: float = 1e-2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rank)
    return scale * torch.randn(96, rank, generator=generator) @ torch.randn(rank, 64, generator=generator)


def base() -> torch.Tensor:
    return 0.05 * torch.randn(96, 64, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("rank", [1, 4, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_rank_is_seen_through_the_rounding_of_the_stored_dtype(rank: int, dtype: torch.dtype) -> None:
    measured = change("w.weight", base(), (base() + low_rank(rank)).to(dtype))
    assert measured.rank == rank == np.linalg.matrix_rank(low_rank(rank).numpy())


def test_an_update_of_full_rank_is_seen_and_one_within_rounding_is_not_judged() -> None:
    noise = 1e-3 * torch.randn(96, 64, generator=torch.Generator().manual_seed(2))
    assert change("w.weight", base(), base() + noise).rank == 64
    hidden = change("w.weight", base().bfloat16(), (base().bfloat16().float() + low_rank(4, 1e-6)).bfloat16())
    assert hidden.rank is None


def test_what_is_counted() -> None:
    before, after = torch.ones(4, 3), torch.ones(4, 3)
    after[0, 0], after[1, 0], after[2, 0] = 1.5, 1 + 2**-12, torch.nan
    measured = change("a.norm", before, after)
    assert (measured.entries, measured.moved, measured.shown, measured.non_finite) == (12, 3, 2, 1)


def adapter(folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    factors = {f"{LAYER}.lora_A.weight": torch.ones(4, 8), f"{LAYER}.lora_B.weight": torch.ones(6, 4)}
    save_file(factors, folder / "adapter_model.safetensors")
    plain = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(plain | config))
    return folder


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4.0),
        ({"r": 16, "rank_pattern": {"q_proj": 4}}, 2.0),
        ({"alpha_pattern": {"layers.0.self_attn.q_proj": 4}}, 1.0),
        ({"rank_pattern": {"k_proj": 1}}, 2.0),
    ],
)
def test_scales_are_pefts(config: dict[str, Any], scale: float, tmp_path: Path) -> None:
    opened = open_adapter(adapter(tmp_path / "a", **config))
    (module,) = opened.modules
    assert module == "model.layers.0.self_attn.q_proj" and opened.scale(module) == scale
    assert torch.equal(opened.update(module), torch.full((6, 8), 4 * scale))


@pytest.mark.parametrize(
    "config",
    [
        {"r": 0},
        {"r": "4"},
        {"r": float("inf")},
        {"lora_alpha": float("nan")},
        {"lora_alpha": None},
        {"rank_pattern": [1]},
        {"alpha_pattern": {"q_proj": "x"}},
    ],
)
def test_a_configuration_without_a_scale_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no usable r and lora_alpha"):
        open_adapter(adapter(tmp_path / "a", **config))


def test_damaged_factors_are_one_sentence(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    for factors, sentence in (
        ({"lora_A.weight": torch.ones(4, 8), "lora_B.weight": torch.ones(6, 3)}, "make no matrix"),
        ({"lora_A.weight": torch.ones(4, 8)}, "one factor of"),
        ({"lora_A.weight": torch.ones(4, 8).int(), "lora_B.weight": torch.ones(6, 4)}, "as I32"),
        ({"lora_A.weight": torch.ones(4), "lora_B.weight": torch.ones(6, 4)}, "no matrices"),
    ):
        save_file({f"{LAYER}.{name}": factor for name, factor in factors.items()}, folder / "adapter_model.safetensors")
        with pytest.raises(AuditError, match=sentence):
            open_adapter(folder).update(LAYER.removeprefix("base_model.model."))


def test_a_regular_expression_is_said_to_be_lacking(tmp_path: Path) -> None:
    opened = open_adapter(adapter(tmp_path / "a", rank_pattern={"(a+)+q_proj": 4}))
    with pytest.raises(LacksData, match="is not run"):
        opened.rank("model.layers.0.self_attn.q_proj")


def test_a_stranger_s_pattern_is_never_run() -> None:
    assert targets({"target_modules": "(a+)+$"}, "a" * 40 + "b") is None
    assert targets({"target_modules": ["q_proj"]}, "x.q_proj") and not targets(
        {"target_modules": ["q_proj"]}, "x.k_proj"
    )
    assert targets({"target_modules": "all-linear"}, "x.k_proj") is None


def test_every_rule_has_a_question_that_fits_a_table_and_a_source() -> None:
    for name in (name for names in MODULES.values() for name in names):
        rule = RULES.find(name)
        assert rule.question.endswith("?") and len(rule.question) <= 70 and rule.source and rule.judge.__doc__
    assert len(RULES.names()) == len(set(RULES.names()))
