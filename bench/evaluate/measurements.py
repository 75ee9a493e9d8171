"""What a cell can measure of answers beside their accuracy; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from pydantic import Field

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


class LmEval(MeasurementSettings):
    """Scores of base and tuned model on tasks of lm-evaluation-harness, by its own prompts and metrics."""

    implementation: ClassVar[str] = "rlvr_bench.evaluate.lm_eval_of_cell:LmEvalOfCell"

    tasks: tuple[str, ...] = Field(min_length=1, description="names of lm-eval's tasks, groups or tags")
    limit: int | None = Field(default=None, ge=1, description="problems of each task; all if not given")
    num_fewshot: int | None = Field(
        default=None, ge=0, description="examples in the prompt; as the task says if not given"
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, description="tokens of a completion at most, in place of the task's own number"
    )
    apply_chat_template: bool = Field(default=False, description="prompts in the tokenizer's chat template")
    include_path: str | None = Field(default=None, description="folder of further task files (YAML)")
    data_files: dict[str, str] = Field(
        default={}, description="by task, a file in place of its data set, or a folder with a file for each split"
    )

    def refusal(self) -> str | None:
        """A task that lm-eval does not have, or a file or folder that is not there."""
        from rlvr_bench.evaluate.lm_eval_names import refusal

        return refusal([*self.tasks, *self.data_files], self.data_files.values(), self.include_path)
