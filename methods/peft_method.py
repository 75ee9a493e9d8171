"""Methods that PEFT implements: named ones (LoRA, PiSSA) and any PEFT config by name.

An entry is a small class: which PEFT type it is, how its fields become PEFT's, and which tensors it must train. The
attaching itself is in `peft_handle`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from methods import peft_catalog
from methods.errors import did_you_mean
from methods.method import Calibration, Method, Shape, target_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from methods.handle import Handle
    from methods.measurement import BaseObservation

PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the base's module paths."""


class PeftMethod(Method):
    """A method whose adapters PEFT builds."""

    def adapter_type(self) -> str:
        """Return the PEFT type, e.g. "LORA"."""
        return "LORA"

    @abstractmethod
    def adapter_fields(self) -> dict[str, Any]:
        """Return the fields of the PEFT config, without task type."""

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        from methods.peft_handle import attach_adapters

        return attach_adapters(self, model, seed)

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        from methods.peft_checks import adapter_problems

        return adapter_problems(self, handle, base)


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
        expected: dict[str, Shape | None] = {}
        for path, (out_features, in_features) in target_weights(shapes, self.targets).items():
            expected[f"{PEFT_PREFIX}{path}.lora_A.default.weight"] = (self.rank, in_features)
            expected[f"{PEFT_PREFIX}{path}.lora_B.default.weight"] = (out_features, self.rank)
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
    def changes_base(self) -> bool:
        return True

    @property
    def depends_on_seed(self) -> bool:
        return self.svd_iterations is not None

    def adapter_fields(self) -> dict[str, Any]:
        start = "pissa" if self.svd_iterations is None else f"pissa_niter_{self.svd_iterations}"
        return super().adapter_fields() | {"lora_alpha": self.alpha or self.rank, "init_lora_weights": start}

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        from methods.peft_checks import principal_start_problems

        exact = self.svd_iterations is None
        return super().problems_at_start(handle, base) + principal_start_problems(
            handle, base, self.rank, self.targets, exact
        )


IDENTITY_SETTINGS: dict[str, dict[str, Any]] = {"C3A": {"init_weights": True}, "FOURIERFT": {"init_weights": True}}
"""Types whose PEFT default start differs from the base although a start at the base exists: that one is our default."""

NOT_IDENTITY = frozenset(
    {"VBLORA", "UNILORA", "PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "CPT", "CARTRIDGE", "MULTITASK_PROMPT_TUNING"}
)
"""Types that by construction do not start at the base."""

OWN_TARGETS = frozenset({"LN_TUNING", "TRAINABLE_TOKENS", "ADAPTION_PROMPT", "SHADOW", "BEFT"})
"""Types whose modules are not the linear ones: without explicit targets PEFT's own choice stands."""

BASE_MOVING_STARTS = ("pissa", "olora", "loftq", "corda", "lora_ga")
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
    def _known_to_this_release(self) -> "AnyPeft":
        kind = self.adapter_type()
        types = peft_catalog.peft_types()
        if kind not in types:
            raise ValueError(
                f"peft_type {self.peft_type!r} is not in PEFT {peft_catalog.release()}{did_you_mean(kind, types)}; "
                f"it has {', '.join(types)}"
            )
        fields = peft_catalog.config_fields(kind) - RESERVED.keys()
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

    @property
    def changes_base(self) -> bool:
        return str(self.settings().get("init_lora_weights", "")).lower().startswith(BASE_MOVING_STARTS)

    @property
    def identity_at_start(self) -> bool:
        """True unless the type cannot start at the base or the user chose a start of his own."""
        kind = self.adapter_type()
        chosen = any(self.settings().get(key, value) != value for key, value in IDENTITY_SETTINGS.get(kind, {}).items())
        return kind not in NOT_IDENTITY and not chosen and self.settings().get("init_weights", True) is not False

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> None:
        return None
