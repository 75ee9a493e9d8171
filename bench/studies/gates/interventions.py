"""What this study does to cells on purpose; what acts is imported by the cells that ask for it."""

from typing import ClassVar

from pydantic import Field

from rlvr_bench.experiment.interventions import InterventionSettings


class _Heads(InterventionSettings):
    """A new basis for the attention heads of some layers, which leaves the function of the model as it is."""

    layers: tuple[int, ...] = Field(min_length=1)
    seed: int = Field(0, ge=0)
    """What the rotation or permutation is drawn from."""


class RotateHeads(_Heads):
    """Turn the value space of the heads."""

    implementation: ClassVar[str] = "rlvr_bench.studies.gates.head_basis:RotatedHeads"

    def change_of_base(self) -> str:
        """See `InterventionSettings`."""
        return f"rotate-heads {list(self.layers)} {self.seed}"


class PermuteHeads(_Heads):
    """Let the key-value heads change places, with their query heads."""

    implementation: ClassVar[str] = "rlvr_bench.studies.gates.head_basis:PermutedHeads"

    def change_of_base(self) -> str:
        """See `InterventionSettings`."""
        return f"permute-heads {list(self.layers)} {self.seed}"


class AdapterDropout(InterventionSettings):
    """Dropout before LoRA adapters while they train, which rollouts do not have: a habit of published code."""

    implementation: ClassVar[str] = "rlvr_bench.studies.gates.adapter_interventions:DroppedInputs"
    acts_in_grpo: ClassVar[bool] = True
    trains_off_policy: ClassVar[bool] = True

    share: float = Field(0.05, gt=0, lt=1)
    """Share of an adapter's inputs that is dropped."""


class MergeInPlace(InterventionSettings):
    """Merge LoRA adapters for rollouts into bfloat16 weights and subtract them again: a habit of published code.

    Every time leaves a rounding error in the base.
    """

    implementation: ClassVar[str] = "rlvr_bench.studies.gates.adapter_interventions:MergedInPlace"
    acts_in_grpo: ClassVar[bool] = True
    drifts_base: ClassVar[bool] = True
    trains_off_policy: ClassVar[bool] = True
