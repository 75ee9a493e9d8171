"""What a cell can measure of answers beside their accuracy; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from rlvr_bench.experiment.measurements import MeasurementSettings


class Behaviour(MeasurementSettings):
    """How base and tuned model reach their greedy answers to the trained task: strategies, repetition, length."""

    implementation: ClassVar[str] = "rlvr_bench.evaluate.behaviour:BehaviourOfCell"


class PromptRange(MeasurementSettings):
    """Greedy scores of the untrained base under every prompt style: the best of them is what a gain has to beat."""

    implementation: ClassVar[str] = "rlvr_bench.evaluate.prompt_range:PromptRangeOfCell"


class Contamination(MeasurementSettings):
    """Memory of the test problems in base and tuned model: questions cut short, perplexities."""

    implementation: ClassVar[str] = "rlvr_bench.evaluate.contamination_of_cell:ContaminationOfCell"
