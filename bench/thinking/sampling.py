"""N traces per problem from the very model whose traces are scored, graded by the task's own verifier.

The noise of a trace is a function of the seed, the prompt and the trace's number: a policy that runs live meets the
traces that are in the file, as far as it lets them run.
"""

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.generate.backend import Backend, Completions
from rlvr_bench.generate.prompt_ids import all_prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.task import Task
from rlvr_bench.thinking.settings import TraceSettings
from rlvr_bench.thinking.trace import Trace


class Asker:
    """A model with a task: prompts in, graded traces out."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: Task,
        settings: TraceSettings,
        backend: Backend,
    ) -> None:
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.settings, self.backend = settings, backend
        self.params = SamplingParams.of_model(
            model,
            tokenizer,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            batch_size=settings.batch_size,
            stop=task.stop,
        )
        self._verdicts: dict[tuple[str, str, bool], Verdict] = {}

    def prompts(self, problems: Sequence[Problem]) -> list[list[int]]:
        """Token ids of the prompts."""
        return all_prompt_ids(self.tokenizer, (self.task.prompt(problem, self.settings.prompt) for problem in problems))

    def sample(self, problems: Sequence[Problem], count: int) -> list[Trace]:
        """`count` traces per problem, problem by problem."""
        rows = [prompt for prompt in self.prompts(problems) for _ in range(count)]
        return self.graded(problems, count, rows, self.backend.generate(self.model, rows, self.params))

    def graded(
        self, problems: Sequence[Problem], count: int, prompts: list[list[int]], completions: Completions
    ) -> list[Trace]:
        """Completions of `count` rows per problem as traces."""
        completions, texts = finish(completions, self.tokenizer, self.task.stop)
        traces = []
        for row, text in enumerate(texts):
            place, number = divmod(row, count)
            verdict = self.verdict(text, problems[place], completions.truncated[row])
            tokens, truncated = completions.token_ids[row], completions.truncated[row]
            traces.append(Trace.graded(problems[place].id, number, prompts[row], tokens, text, verdict, truncated))
        return traces

    def verdict(self, text: str, problem: Problem, truncated: bool) -> Verdict:
        """The task's verdict; the same text is graded once, since samples repeat and some verifiers start a process."""
        key = (problem.id, text, truncated)
        if key not in self._verdicts:
            self._verdicts[key] = self.task.verify(text, problem, truncated)
        return self._verdicts[key]
