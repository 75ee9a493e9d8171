"""What this study does to GRPO on purpose: the probe's score as a reward, and as a choice of what is learned from."""

from typing import ClassVar, Literal

from pydantic import Field

from rlvr_bench.experiment.interventions import InterventionSettings
from rlvr_bench.thinking.settings import ThinkSettings


class ByProbe(InterventionSettings, ThinkSettings):
    """A probe that is trained on the base, as `think` trains it, and reads the policy as it is now."""

    acts_in_grpo: ClassVar[bool] = True

    learns: bool = False
    """Whether it also makes a step on the verdicts of every batch that GRPO learns from, after it has scored it."""
    learning_rate: float = Field(1e-3, gt=0)
    """Of these steps."""


class ProbeReward(ByProbe):
    """Pay for what the probe takes for right: (1 - weight) times the reward plus `weight` times the probe's score."""

    implementation: ClassVar[str] = "rlvr_bench.studies.thinking.probed_rollouts:PaidByProbe"

    weight: float = Field(1.0, gt=0, le=1)


class DropGroups(ByProbe):
    """Leave a share of each batch's groups out of the update: those that the probe expects no signal from, or any.

    A group whose completions are all right or all wrong has no advantages. With the probe's mean score m of a group,
    those of the smallest m (1 - m) are dropped; `by = "random"` is the control, which drops as many.
    """

    implementation: ClassVar[str] = "rlvr_bench.studies.thinking.probed_rollouts:DroppedGroups"

    by: Literal["probe", "random"] = "probe"
    share: float = Field(0.5, gt=0, lt=1)
    """Of the groups; at least one is kept."""
