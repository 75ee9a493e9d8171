"""Several sampled completions per problem, each of them graded and kept."""

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate.completion import Graded, decode
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.prompt_ids import all_prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.tasks.problem import Problem, Split, Verdict
from rlvr_bench.tasks.task import Task


def grade_samples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    split: Split,
    settings: EvaluateSettings,
    backend: Backend,
) -> list[Graded]:
    """`settings.samples` completions per problem, problem by problem, of the first `settings.sampled_problems`."""
    problems = task.problems(split)[: settings.sampled_problems]
    return grade_problems(model, tokenizer, task, problems, settings, backend)


def grade_problems(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    problems: Sequence[Problem],
    settings: EvaluateSettings,
    backend: Backend,
) -> list[Graded]:
    """`settings.samples` completions of each of these problems, problem by problem.

    The noise of a sample is a function of the seed, the prompt and the sample's number: the models that are compared
    meet the same random numbers.
    """
    prompts = all_prompt_ids(tokenizer, (task.prompt(problem, settings.prompt) for problem in problems))
    completions = backend.generate(
        model,
        [prompt for prompt in prompts for _ in range(settings.samples)],
        SamplingParams.of_model(
            model,
            tokenizer,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            batch_size=settings.batch_size,
            stop=task.stop,
        ),
    )
    # Samples of a small model repeat themselves, and some verifiers start a process.
    verdicts: dict[tuple[Problem, str, bool], Verdict] = {}
    graded = []
    for row, completion in enumerate(decode(completions, tokenizer, task.stop)):
        place, sample = divmod(row, settings.samples)
        answer = (problems[place], completion.text, completion.truncated)
        if answer not in verdicts:
            verdicts[answer] = task.verify(completion.text, problems[place], completion.truncated)
        graded.append(Graded(problems[place], sample, settings.temperature, completion, verdicts[answer]))
    return graded
