"""What an organism is made of: the dials of its pre-training. Pure data; imports no torch.

Two kinds of error can be taught. A *slip* hits a random step. A *weak fact* is one that the organism mostly gets wrong
in the same way ("7*3=4"), as a real model's gaps are: greedy decoding meets it too, and training has to mend it fact by
fact, which leaves methods room to differ.
"""

from typing import Literal

from pydantic import Field, model_validator

from rlvr_bench.plugins.settings import Settings
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.tasks.families import FAMILIES

Share = float
Answers = Literal["steps", "mixture"]
"""What a stage teaches: worked answers alone, or the recipe's mixture of worked and direct ones."""


class Shape(Settings):
    """The Llama architecture: all organisms that are compared with one another share it."""

    width: int = Field(default=96, gt=0)
    layers: int = Field(default=3, gt=0)
    heads: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=256, gt=0)
    context: int = Field(default=256, gt=0)

    @model_validator(mode="after")
    def _divides(self) -> "Shape":
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no even number of values for each of {self.heads} heads")
        return self


class Diet(Settings):
    """One family in the pre-training text."""

    family: str
    levels: tuple[int, ...]
    weight: float = Field(gt=0, description="share of the family in the text, relative to the other families")
    weak_facts: Share = Field(default=0.0, ge=0, le=1, description="share of facts (step left sides) that are weak")
    weak_accuracy: Share = Field(default=1.0, ge=0, le=1, description="share of a weak fact's steps that are right")

    @model_validator(mode="after")
    def _known(self) -> "Diet":
        if self.family not in FAMILIES:
            raise ValueError(f"Family {self.family!r} is unknown{did_you_mean(self.family, FAMILIES)}")
        unknown = sorted(set(self.levels) - set(FAMILIES[self.family].levels))
        if unknown or not self.levels:
            levels = FAMILIES[self.family].levels
            raise ValueError(f"Family {self.family!r} has levels {levels[0]} to {levels[-1]}, not {unknown or 'none'}.")
        return self


class Plant(Settings):
    """Test problems that stand in the pre-training text on purpose: half of a test split, so that the other half shows
    what the same model does without memory. They stand there whole, question and right answer."""

    family: str
    level: int
    problems: int = Field(gt=1, description="problems of the test split, of which half are planted")
    seed: int = Field(default=0, description="which problems the split holds, as in a task's settings")
    share: Share = Field(gt=0, lt=1, description="share of planted problems in the text")


class Fork(Settings):
    """A strategy that is chosen by a cue in the question: its first sign is one of `signs`, or it is not.

    The choice is one token, the first of an answer ("#" or a digit), and only the main family has it. The dials:
    `signs` is the share of questions with the cue, `strength` its strength, a diet's weak facts the gap in accuracy
    between worked and direct answers; a plant's `problems` is the contamination, its `share` of the text the memory.
    """

    signs: str = Field(default="0123456", min_length=1, description="first signs of a question that are the cue")
    strength: Share = Field(
        default=0.9, gt=0.5, lt=1, description="share of the mode after the cue, and of the other strategy without it"
    )
    mode: Literal["worked", "direct"] = "worked"

    def cued(self, question: str) -> bool:
        """Whether a question carries the cue."""
        return question[:1] in self.signs

    def worked_share(self, question: str) -> Share:
        """The share of worked answers to a question."""
        return self.strength if self.cued(question) == (self.mode == "worked") else round(1 - self.strength, 12)


class Stage(Settings):
    """One stretch of training; the learning rate falls linearly from `learning_rate` to `final_rate`."""

    name: str
    answers: Answers = Field(description="steps: all are worked; mixture: the recipe's share")
    steps: int = Field(gt=0, description="optimizer steps")
    learning_rate: float = Field(gt=0)
    final_rate: float = Field(ge=0)
    warmup: int = Field(default=0, ge=0, description="steps over which the rate rises from zero")


class Recipe(Settings):
    """Everything that pre-training depends on; the same recipe gives the same weights on the same machine."""

    name: str
    description: str
    seed: int = 0
    shape: Shape = Shape()
    diets: tuple[Diet, ...] = Field(min_length=1)
    worked_share: Share = Field(ge=0, le=1, description="share of answers with worked steps in the mixture")
    slip_rate: Share = Field(default=0.0, ge=0, le=1, description="share of worked answers that carry one slipped step")
    direct_errors: Share = Field(default=0.0, ge=0, le=1, description="share of direct answers made wrong on purpose")
    stages: tuple[Stage, ...] = Field(min_length=1)
    examples_per_step: int = Field(default=128, gt=0, description="problems with their answers in one optimizer step")
    row: int = Field(default=128, gt=0, description="tokens in one packed row; the longest example must fit")
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    main_family: str = Field(default="chain", description="the family that RL is meant to train on; first in the card")
    start: str | None = Field(
        default=None, description="organism whose weights training starts from; None: random ones"
    )
    plant: Plant | None = None
    fork: Fork | None = None

    @model_validator(mode="after")
    def _starts_in_its_shape(self) -> "Recipe":
        if self.start is not None and self.shape != Shape():
            raise ValueError(f"the shape is that of {self.start}, whose weights it starts from; leave it out")
        return self

    def worked_share_of(self, family: str, question: str, answers: Answers) -> Share:
        """The share of worked answers to a question in a stage that teaches `answers`."""
        if answers == "steps":
            return 1.0
        if self.fork is None or family != self.main_family:
            return self.worked_share
        return self.fork.worked_share(question)

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(stage.steps for stage in self.stages)
