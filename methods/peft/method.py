"""Methods that PEFT implements: what they share, LoRA and PiSSA.

The other named ones are rows of a table (`table`); any PEFT config by its name is `any_type`. The attaching itself is
in `handle`.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from rlvr_bench.methods.base.matrix_ranks import refuse_above_sides
from rlvr_bench.methods.base.method import Method, Shape, target_weights
from rlvr_bench.methods.peft import catalog
from rlvr_bench.plugins.suggestion import did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlvr_bench.methods.peft.handle import PeftHandle

    HandleClass = type[PeftHandle]  # inside a config, `type` is a key

PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the base's module paths."""

BASE_MOVING_STARTS = ("pissa", "pissa_niter", "olora", "loftq", "corda", "lora_ga")
"""Values of init_lora_weights that take the start out of the base."""

DATA_DRIVEN_STARTS = ("eva", "corda", "lora_ga")
"""Values of init_lora_weights that look at training prompts."""


class PeftMethod(Method):
    """A method whose adapters PEFT builds; `handle` points at the class of the handle that `attach` gives."""

    implementation: ClassVar[str] = "rlvr_bench.methods.peft.handle:attach_adapters"
    handle: ClassVar[str] = "rlvr_bench.methods.peft.handle:PeftHandle"
    start_checks: ClassVar[tuple[str, ...]] = (
        "rlvr_bench.methods.peft.checks:adapter_problems",
        "rlvr_bench.methods.peft.starts:start_problems",
        "rlvr_bench.methods.peft.subspace:subspace_problems",
    )
    end_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.peft.subspace:subspace_problems",)

    @model_validator(mode="after")
    def _known_to_this_release(self) -> "PeftMethod":
        kind, types = self.adapter_type(), catalog.peft_types()
        if kind not in types:
            raise ValueError(
                f"it asks for PEFT's type {kind!r}, which release {catalog.release()} lacks{did_you_mean(kind, types)}"
            )
        start, starts = self.lora_start.removesuffix("_niter"), catalog.lora_starts()
        if kind == "LORA" and start and start not in starts:
            raise ValueError(
                f"it asks for PEFT's LoRA start {start!r}, which release {catalog.release()} lacks"
                f"{did_you_mean(start, starts)}"
            )
        return self

    def adapter_type(self) -> str:
        """Return the PEFT type, e.g. "LORA"."""
        return "LORA"

    @property
    def shardable(self) -> bool:
        """Other adapters act on whole tensors, by hooks or between steps."""
        return self.adapter_type() == "LORA"

    @abstractmethod
    def adapter_fields(self) -> dict[str, Any]:
        """Return the fields of the PEFT config, without task type and seed.

        What follows from the sizes of the base is None where the user left it out.
        """

    def fields_on(self, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """Return `adapter_fields` fitted to a base with parameter `shapes`; raises `MethodError` for a misfit."""
        return self.adapter_fields()

    def config_fields(self, shapes: Mapping[str, Shape], seed: int) -> dict[str, Any]:
        """Return all fields of the PEFT config on a base with parameter `shapes`.

        Whatever PEFT draws from a seed of its own ("random_seed", "projection_prng_key", ...) is drawn from `seed`.
        """
        return dict.fromkeys(catalog.seed_fields(self.adapter_type()), seed) | self.fields_on(shapes)

    @property
    def lora_start(self) -> str:
        """The named LoRA start, without a number at its end ("pissa_niter"); "" for none."""
        start = self.adapter_fields().get("init_lora_weights")
        return re.sub(r"_\d+$", "", start.lower()) if isinstance(start, str) else ""

    @property
    def changes_base(self) -> bool:
        return self.lora_start in BASE_MOVING_STARTS

    @property
    def needs_calibration(self) -> bool:
        return self.lora_start in DATA_DRIVEN_STARTS

    def refuse_misfit(self, model: "PreTrainedModel") -> None:
        super().refuse_misfit(model)
        resolve_name("rlvr_bench.methods.peft.handle:refuse_rewritten")(self, model)
        if self.targets_are_linear:
            paths = resolve_name("rlvr_bench.methods.base.targets:linear_targets")(model, self.targets)
            resolve_name("rlvr_bench.methods.base.targets:refuse_uncalled")(model, paths)

    def handle_class(self) -> "HandleClass":
        """Return the class of the handle that `attach` gives."""
        handle: HandleClass = resolve_name(self.handle)
        return handle


class LowRank(PeftMethod):
    """What LoRA and its re-initialised variants share: B A of one rank beside every targeted matrix."""

    family: ClassVar[str] = "low-rank"
    dials: ClassVar[tuple[str, ...]] = ("rank",)

    rank: int = Field(
        default=16,
        ge=1,
        description="Rank of the update; at 1/rank scaling the best learning rate hardly depends on it.",
    )

    def adapter_fields(self) -> dict[str, Any]:
        return {"r": self.rank, "lora_dropout": 0.0, "bias": "none", "target_modules": list(self.targets)}

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        rank = self.fields_on(shapes)["r"]
        expected: dict[str, Shape | None] = {}
        for path, (out_features, in_features) in target_weights(shapes, self.targets).items():
            expected[f"{PEFT_PREFIX}{path}.lora_A.default.weight"] = (rank, in_features)
            expected[f"{PEFT_PREFIX}{path}.lora_B.default.weight"] = (out_features, rank)
        return expected


class Lora(LowRank):
    """Low-rank adapters, B = 0 at the start."""

    source: ClassVar[str] = (
        "LoRA, arXiv 2106.09685; alpha fixed at 32 as in LoRA Without Regret (Thinking Machines, 2025)"
    )
    formula: ClassVar[str] = (
        "W = W0 + (alpha / rank) B A, or alpha / sqrt(rank) with rslora; A (rank, in), B (out, rank)"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)

    type: Literal["lora"] = "lora"
    alpha: int = Field(
        default=32, ge=1, description="Scale of the update, divided by the rank (or its root with rslora)."
    )
    rslora: bool = Field(default=False, description="Divide alpha by sqrt(rank) (rsLoRA, arXiv 2312.03732).")

    def adapter_fields(self) -> dict[str, Any]:
        return super().adapter_fields() | {
            "lora_alpha": self.alpha,
            "use_rslora": self.rslora,
            "init_lora_weights": True,
        }


class Pissa(LowRank):
    """LoRA that starts from the top singular part of every matrix, which leaves the frozen base."""

    source: ClassVar[str] = "PiSSA, arXiv 2404.02948"
    formula: ClassVar[str] = (
        "W = (W0 - U_r S_r V_r') + s B A, s = alpha / rank, starting at B = U_r (S_r / s)^1/2, A = (S_r / s)^1/2 V_r' "
        "(top r)"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-2)

    type: Literal["pissa"] = "pissa"
    alpha: int | None = Field(
        default=None,
        ge=1,
        description="Scale of the update; left out it is the rank, so that B A is unscaled as in the paper.",
    )
    svd_iterations: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Power iterations of a randomised SVD; left out the SVD is exact (slow above 4096 columns).",
    )

    @property
    def depends_on_seed(self) -> bool:
        return self.svd_iterations is not None

    def adapter_fields(self) -> dict[str, Any]:
        start = "pissa" if self.svd_iterations is None else f"pissa_niter_{self.svd_iterations}"
        return super().adapter_fields() | {"lora_alpha": self.alpha or self.rank, "init_lora_weights": start}

    def fields_on(self, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        refuse_above_sides(target_weights(shapes, self.targets), "rank", self.rank)
        return self.adapter_fields()
