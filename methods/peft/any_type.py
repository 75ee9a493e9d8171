"""Any adapter type of the installed PEFT release, by its name: a method with no code of its own here."""

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from rlvr_bench.methods.base.method import TARGET_GROUPS, Dial, Shape
from rlvr_bench.methods.peft import catalog
from rlvr_bench.methods.peft.method import PeftMethod
from rlvr_bench.plugins.suggestion import did_you_mean

IDENTITY_SETTINGS: dict[str, dict[str, Any]] = {"C3A": {"init_weights": True}, "FOURIERFT": {"init_weights": True}}
"""Types whose PEFT default start differs from the base although a start at the base exists: that one is our default."""

PROMPTS = frozenset({"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "CPT", "CARTRIDGE", "MULTITASK_PROMPT_TUNING"})
"""Types that add virtual tokens, which no weight can hold."""

NOT_IDENTITY = PROMPTS | {"VBLORA", "UNILORA"}
"""Types that by construction do not start at the base."""

OWN_TARGETS = frozenset({"LN_TUNING", "TRAINABLE_TOKENS", "ADAPTION_PROMPT", "SHADOW", "BEFT"})
"""Types whose modules are not the linear ones: without explicit targets PEFT's own choice stands."""

DROPOUT = re.compile(r"dropout(_p)?$")
"""Fields that are a probability of dropout, which is 0 for every method here."""

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

UNFIT = {
    "CPT": "shrinks its trained tokens in every forward pass, so that a rollout changes what is trained; take "
    "PROMPT_TUNING",
    "MULTITASK_PROMPT_TUNING": "scales its prompt by the task that each example names, and a run has one task; take "
    "PROMPT_TUNING",
    "POLY": "mixes its adapters by the task that each example names, and a run has one task; take LORA",
    "PVERA": "draws its update anew in every forward pass while it trains, so that updates see another policy than "
    "rollouts; take VERA",
    "SHADOW": "trains a second network partly by a loss on labels, and a reward gives none; take LORA",
    "XLORA": "mixes LoRA adapters that were trained before, and a run starts from the base; take LORA",
}
"""Types that reinforcement learning on one task cannot train: why, and what to take instead."""

NEEDED = {
    "ADALORA": ("total_step",),
    "ADAPTION_PROMPT": ("adapter_len", "adapter_layers"),
    "CARTRIDGE": ("num_virtual_tokens",),
    "PREFIX_TUNING": ("num_virtual_tokens",),
    "PROMPT_TUNING": ("num_virtual_tokens",),
    "P_TUNING": ("num_virtual_tokens",),
    "TRAINABLE_TOKENS": ("token_indices",),
}
"""Keys without which a type trains nothing or is refused, although PEFT's config has a default for them."""

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
    implementation: ClassVar[str] = "rlvr_bench.methods.peft.forward:attach_any"

    type: Literal["peft"] = "peft"
    peft_type: str = Field(
        description='Name of the PEFT type, e.g. "C3A"; every field of its config may follow as a key. '
        "Another name is answered with those of the installed release."
    )

    @model_validator(mode="after")
    def _keys_are_fields(self) -> "AnyPeft":
        kind = self.adapter_type()
        if kind in UNFIT:
            raise ValueError(f"peft_type {kind!r} cannot be trained here: it {UNFIT[kind]}")
        fields = catalog.config_fields(kind) - RESERVED.keys()
        for key, value in self.settings().items():
            self._check_key(key, value, fields)
        for key in NEEDED.get(kind, ()):
            turned = self.params is not None and self.dial is not None and self.dial.name == key
            if key not in self.settings() and not turned:
                raise ValueError(f"peft_type {kind!r} needs the key {key!r}: with PEFT's default it cannot be trained")
        return self

    def _check_key(self, key: str, value: Any, fields: frozenset[str]) -> None:
        if key in RESERVED:
            fix = f"set {RESERVED[key]!r} instead" if RESERVED[key] else "leave it out, the harness sets it"
            raise ValueError(f"{key!r} cannot be set for peft_type {self.peft_type!r}; {fix}")
        if key not in fields:
            raise ValueError(
                f"the {self.adapter_type()} config of PEFT {catalog.release()} has no field {key!r}"
                f"{did_you_mean(key, sorted(fields))}"
            )
        if DROPOUT.search(key) and value != 0:
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
        known = catalog.config_fields(kind)
        quiet = dict.fromkeys(filter(DROPOUT.search, known), 0.0) | dict.fromkeys(known & {"progressbar"}, False)
        fields = quiet | IDENTITY_SETTINGS.get(kind, {}) | self.settings()
        if self.uses_targets():
            fields["target_modules"] = list(self.targets)
        return fields

    def uses_targets(self) -> bool:
        """Whether `targets` goes to PEFT: its config has such a field, for linear modules or named by the user."""
        kind = self.adapter_type()
        has_targets = "target_modules" in catalog.config_fields(kind)
        return has_targets and (kind not in OWN_TARGETS or "targets" in self.model_fields_set)

    @property
    def targets_are_linear(self) -> bool:
        """Whether they are a group: PEFT says itself what it makes of names that a user gives."""
        return self.uses_targets() and self.targets in TARGET_GROUPS.values()

    @property
    def depends_on_seed(self) -> None:
        return None

    @property
    def mergeable(self) -> bool | None:
        return False if self.adapter_type() in PROMPTS else None

    @property
    def dial(self) -> Dial | None:
        kind = self.adapter_type()
        known = catalog.config_fields(kind) if kind in catalog.peft_types() else ()
        name = next((name for name in OWN_DIALS.get(kind, DIALS) if name in known), None)
        return Dial(name, 1, math.inf, whole=True) if name else None

    @property
    def identity_at_start(self) -> bool:
        """True unless the type cannot start at the base or the user chose a start of his own."""
        kind = self.adapter_type()
        settings = self.settings()
        other_start = any(settings.get(key, value) != value for key, value in IDENTITY_SETTINGS.get(kind, {}).items())
        return kind not in NOT_IDENTITY and not other_start and settings.get("init_weights", True) is not False

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> None:
        return None
