"""What the cells of this study measure; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from pydantic import Field

from rlvr_bench.experiment.measurements import MeasurementSettings


class Divergence(MeasurementSettings):
    """KL between tuned model and base on every scored task, in both directions."""

    implementation: ClassVar[str] = "rlvr_bench.studies.signals.divergence:DivergenceOfCell"

    problems: int = Field(64, ge=1)
    """Test problems of every task."""


class ChangedTokens(MeasurementSettings):
    """Where the most probable next token is another one than the base's, on greedy completions of test problems."""

    implementation: ClassVar[str] = "rlvr_bench.studies.signals.changed_tokens:ChangedTokensOfCell"
    needs_merged_weights: ClassVar[bool] = True

    problems: int = Field(64, ge=1)
    """Test problems, one completion each."""
    recovery: bool = True
    """Also score the base with the tuned model's token where its entropy is highest, and in as many random places."""


class TrainMemory(MeasurementSettings):
    """Memory of the first train problems in base and tuned model: questions cut short, perplexities."""

    implementation: ClassVar[str] = "rlvr_bench.studies.signals.train_memory:TrainMemoryOfCell"

    problems: int = Field(16, ge=1)
    """Train problems, the first ones, which a run on few problems trains on."""
