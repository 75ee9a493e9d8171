"""Methods that PEFT implements: what they share, LoRA and PiSSA, and any PEFT config by name.

The other named ones are rows of a table (`peft_table`). The attaching itself is in `peft_handle`.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from methods import peft_catalog
from methods.errors import did_you_mean
from methods.method import Calibration, Dial, Method, Shape, target_weights
from methods.ranks import refuse_above_sides

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from methods.handle import Handle
    from methods.measurement import BaseObservation
    from methods.peft_handle import PeftHandle

    HandleClass = type[PeftHandle]  # inside a config, `type` is a key

PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the base's module paths."""

BASE_MOVING_STARTS = ("pissa", "pissa_niter", "olora", "loftq", "corda", "lora_ga")
"""Values of init_lora_weights that take the start out of the base."""

DATA_DRIVEN_STARTS = ("eva", "corda", "lora_ga")
"""Values of init_lora_weights that look at training prompts."""


class PeftMethod(Method):
    """A method whose adapters PEFT builds."""

    @model_validator(mode="after")
    def _known_to_this_release(self) -> "PeftMethod":
        kind, types = self.adapter_type(), peft_catalog.peft_types()
        if kind not in types:
            raise ValueError(
                f"PEFT {peft_catalog.release()} has no type {kind!r}{did_you_mean(kind, types)}, which "
                f"{self.type!r} asks for; it has {', '.join(types)}"
            )
        start, starts = self.lora_start.removesuffix("_niter"), peft_catalog.lora_starts()
        if kind == "LORA" and start and start not in starts:
            raise ValueError(
                f"PEFT {peft_catalog.release()} has no LoRA start {start!r}{did_you_mean(start, starts)}, which "
                f"{self.type!r} asks for; it has {', '.join(starts)}"
            )
        return self

    def adapter_type(self) -> str:
        """Return the PEFT type, e.g. "LORA"."""
        return "LORA"

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
        return dict.fromkeys(peft_catalog.seed_fields(self.adapter_type()), seed) | self.fields_on(shapes)

    @property
    def lora_start(self) -> str:
        """The named LoRA start, without a number at its end ("pissa_niter"); "" for none."""
        chosen = self.adapter_fields().get("init_lora_weights")
        return re.sub(r"_\d+$", "", chosen.lower()) if isinstance(chosen, str) else ""

    @property
    def changes_base(self) -> bool:
        return self.lora_start in BASE_MOVING_STARTS

    @property
    def needs_calibration(self) -> bool:
        return self.lora_start in DATA_DRIVEN_STARTS

    def needs_linear_targets(self) -> bool:
        """Whether every target must name linear modules of the base."""
        return True

    def handle_class(self) -> "HandleClass":
        """Return the class of the handle that `attach` gives."""
        from methods.peft_handle import PeftHandle

        return PeftHandle

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        from methods.peft_handle import attach_adapters

        return attach_adapters(self, model, seed, calibration)

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        from methods.peft_checks import adapter_problems
        from methods.peft_starts import start_problems
        from methods.peft_subspace import subspace_problems

        starts = start_problems(self.lora_start, handle, base)
        return adapter_problems(self, handle, base) + starts + subspace_problems(handle)

    def problems_at_end(self, handle: "Handle", optimizer: "torch.optim.Optimizer | None") -> list[str]:
        from methods.peft_subspace import subspace_problems

        return subspace_problems(handle)


class LowRank(PeftMethod):
    """What LoRA and its re-initialised kin share: B A of one rank beside every targeted matrix."""

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
    formula: ClassVar[str] = "W = (W0 - U_r S_r V_r') + B A, starting at B = U_r S_r^1/2, A = S_r^1/2 V_r' (top r)"
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-3)

    type: Literal["pissa"] = "pissa"
    alpha: int | None = Field(
        default=None,
        ge=1,
        description="Scale of the update; left out it is the rank, so that B A is unscaled as in the paper.",
    )
    svd_iterations: int | None = Field(
        default=None,
        ge=1,
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


IDENTITY_SETTINGS: dict[str, dict[str, Any]] = {"C3A": {"init_weights": True}, "FOURIERFT": {"init_weights": True}}
"""Types whose PEFT default start differs from the base although a start at the base exists: that one is our default."""

PROMPTS = frozenset({"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "CPT", "CARTRIDGE", "MULTITASK_PROMPT_TUNING"})
"""Types that add virtual tokens, which no weight can hold."""

NOT_IDENTITY = PROMPTS | {"VBLORA", "UNILORA"}
"""Types that by construction do not start at the base."""

OWN_TARGETS = frozenset({"LN_TUNING", "TRAINABLE_TOKENS", "ADAPTION_PROMPT", "SHADOW", "BEFT"})
"""Types whose modules are not the linear ones: without explicit targets PEFT's own choice stands."""

DIALS = ("r", "n_frequency", "block_size", "num_virtual_tokens", "theta_d_length")
"""Fields that set how much a type trains; the first that its config has is the one that `params` turns."""

OWN_DIALS = {
    "ADALORA": ("init_r",),
    "BOFT": ("boft_block_size",),
    "OFT": ("oft_block_size",),
    "OSF": ("effective_rank",),
    "TINYLORA": ("u",),
    "UNILORA": ("theta_d_length",),
}
"""Types that another field sizes, whatever of `DIALS` their config has."""

RESERVED = {
    "target_modules": "targets",
    "peft_type": "peft_type",
    "task_type": None,
    "inference_mode": None,
    "auto_mapping": None,
    "peft_version": None,
    "base_model_name_or_path": None,
    "revision": None,
}


class AnyPeft(PeftMethod):
    """Any adapter type of the installed PEFT release; its config's fields are keys beside `peft_type`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    family: ClassVar[str] = "peft"
    source: ClassVar[str] = "the PEFT library; the paper is named in the documentation of the type"
    formula: ClassVar[str] = "as PEFT defines the type"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-1)

    type: Literal["peft"] = "peft"
    peft_type: str = Field(
        description='Name of the PEFT type, e.g. "C3A"; every field of its config may follow as a key.'
    )

    @model_validator(mode="after")
    def _keys_are_fields(self) -> "AnyPeft":
        fields = peft_catalog.config_fields(self.adapter_type()) - RESERVED.keys()
        for key, value in self.settings().items():
            self._check_key(key, value, fields)
        return self

    def _check_key(self, key: str, value: Any, fields: frozenset[str]) -> None:
        if key in RESERVED:
            fix = f"set {RESERVED[key]!r} instead" if RESERVED[key] else "leave it out, the harness sets it"
            raise ValueError(f"{key!r} cannot be set for peft_type {self.peft_type!r}; {fix}")
        if key not in fields:
            raise ValueError(
                f"the {self.adapter_type()} config of PEFT {peft_catalog.release()} has no field {key!r}"
                f"{did_you_mean(key, fields)}; it has {', '.join(sorted(fields))}"
            )
        if "dropout" in key and value != 0:
            raise ValueError(
                f"{key} = {value!r}, but rollouts run on merged weights without dropout: set it to 0 or leave it out"
            )

    def settings(self) -> dict[str, Any]:
        """Return the keys that the user gave for the PEFT config."""
        return dict(self.model_extra or {})

    def adapter_type(self) -> str:
        return self.peft_type.upper()

    def adapter_fields(self) -> dict[str, Any]:
        kind = self.adapter_type()
        fields = IDENTITY_SETTINGS.get(kind, {}) | self.settings()
        if self.uses_targets():
            fields["target_modules"] = list(self.targets)
        return fields

    def uses_targets(self) -> bool:
        """Whether `targets` goes to PEFT: its config has such a field, for linear modules or named by the user."""
        kind = self.adapter_type()
        has_targets = "target_modules" in peft_catalog.config_fields(kind)
        return has_targets and (kind not in OWN_TARGETS or "targets" in self.model_fields_set)

    def needs_linear_targets(self) -> bool:
        return False

    @property
    def mergeable(self) -> bool | None:
        return False if self.adapter_type() in PROMPTS else None

    @property
    def dial(self) -> Dial | None:
        kind = self.adapter_type()
        known = peft_catalog.config_fields(kind) if kind in peft_catalog.peft_types() else ()
        name = next((name for name in OWN_DIALS.get(kind, DIALS) if name in known), None)
        return Dial(name, 1, math.inf, whole=True) if name else None

    @property
    def identity_at_start(self) -> bool:
        """True unless the type cannot start at the base or the user chose a start of his own."""
        kind = self.adapter_type()
        chosen = any(self.settings().get(key, value) != value for key, value in IDENTITY_SETTINGS.get(kind, {}).items())
        return kind not in NOT_IDENTITY and not chosen and self.settings().get("init_weights", True) is not False

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> None:
        return None
