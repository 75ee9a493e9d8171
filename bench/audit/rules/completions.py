"""What the logged completions look like."""

import re
from collections.abc import Sequence

from rlvr_bench.audit.completions import Completion
from rlvr_bench.audit.errors import LacksData
from rlvr_bench.audit.rule import Answer, fault, note, ok, rule
from rlvr_bench.audit.subject import Subject

MANY, SOME = 0.5, 0.1
"""Shares of completions that are a fault, and that a reader should know."""

FEW_DISTINCT = 0.2
"""Share of different texts within groups from which sampling has nearly stopped."""

LONGEST_LINE = 4_000
"""Characters at the end of a completion that are searched for a loop."""

PERIODS = 200
"""Characters of the longest loop that is looked for."""

COPIED = 80
"""Characters of a prompt that a completion must hold in one piece to be a copy of it."""

TRUNCATION = ("truncated", "is_truncated", "clipped", "finish_reason")

ANSWER = re.compile(r"\d|\\boxed|<answer>|\b(?:yes|no|true|false)\b|\([A-E]\)|\b[A-E]\b", re.IGNORECASE)


@rule("are completions empty?", "TRL's GRPO documentation, log_completions")
def completions_empty(subject: Subject) -> Answer:
    """Count completions without a visible character."""
    return _share(
        subject.sampled,
        [not completion.text.strip() for completion in subject.sampled],
        "are empty",
        "look at the chat template and at the end-of-text token",
    )


@rule("are completions truncated?", "DAPO, arXiv 2503.14476, section 3.4")
def completions_truncated(subject: Subject) -> Answer:
    """Count completions that a column of the table calls truncated."""
    column = next((name for name in TRUNCATION if name in subject.sampled[0].columns), None)
    if column is None:
        raise LacksData(
            f"a column {', '.join(TRUNCATION[:-1])} or {TRUNCATION[-1]}; TRL's log has completions/clipped_ratio"
        )
    cut = [completion.columns.get(column) in (True, 1, "length") for completion in subject.sampled]
    return _share(subject.sampled, cut, "are truncated", "raise max_completion_length")


@rule("do completions end in loops?", "Holtzman et al. 2020, arXiv 1904.09751, section 4.1")
def completions_repeats(subject: Subject) -> Answer:
    """Count completions whose end repeats one piece of text four times or more."""
    loops = [_loops(completion.text) for completion in subject.sampled]
    return _share(subject.sampled, loops, "end in a loop", "look at the reward of length, and at the temperature")


@rule(
    "is there an answer in what is rewarded?", "Baker et al. 2025, arXiv 2503.11926; Shao et al. 2025, arXiv 2506.10947"
)
def completions_answer(subject: Subject) -> Answer:
    """Count completions with a reward above 0 that hold no number, letter or word that could be an answer."""
    rewarded = [completion for completion in subject.sampled if (completion.reward or 0) > 0]
    if not any(completion.reward is not None for completion in subject.sampled):
        raise LacksData("a column of rewards")
    if not rewarded:
        return note(f"none of {len(subject.sampled)} completions has a reward above 0", "look at the reward function")
    without = [not ANSWER.search(completion.text) for completion in rewarded]
    return _share(
        rewarded, without, "with a reward hold no answer", "read them: the reward pays for something else", limit=SOME
    )


@rule("do completions copy the prompt?", "TRL's GRPO documentation, log_completions")
def completions_copies(subject: Subject) -> Answer:
    """Count completions that hold a long piece of their prompt."""
    copies = [_copies(completion) for completion in subject.sampled]
    return _share(subject.sampled, copies, "copy their prompt", "look at the chat template, and at what is decoded")


@rule("do the completions of a group differ?", "Cui et al. 2025, arXiv 2505.22617; Yue et al. 2025, arXiv 2504.13837")
def completions_distinct(subject: Subject) -> Answer:
    """Average the share of different texts within the groups of a prompt at a step, first and last step."""
    groups: dict[tuple[int, str], list[str]] = {}
    for completion in subject.sampled:
        groups.setdefault((completion.step, completion.prompt), []).append(completion.text)
    of_step: dict[int, list[float]] = {}
    for (step, _), texts in groups.items():
        if len(texts) > 1:
            of_step.setdefault(step, []).append((len(set(texts)) - 1) / (len(texts) - 1))
    if not of_step:
        raise LacksData("two completions of one prompt at one step")
    first, last = (sum(of_step[step]) / len(of_step[step]) for step in (min(of_step), max(of_step)))
    evidence = f"{first:.0%} of a group's texts differ at step {min(of_step)}, {last:.0%} at step {max(of_step)}"
    if last < FEW_DISTINCT:
        return fault(
            evidence, "sampling has stopped exploring: look at entropy and temperature", first=first, last=last
        )
    return ok(evidence, first=first, last=last)


def _share(
    completions: Sequence[Completion], flags: Sequence[bool], what: str, action: str, limit: float = MANY
) -> Answer:
    share = sum(flags) / len(flags)
    example = next((completion for completion, flag in zip(completions, flags, strict=True) if flag), None)
    evidence = f"{share:.0%} of {len(flags)} {what}"
    if example is not None:
        evidence += f", the first at step {example.step}"
    if share > limit:
        return fault(evidence, action, share=share, completions=len(flags))
    if share > SOME:
        return note(evidence, action, share=share, completions=len(flags))
    return ok(evidence, share=share, completions=len(flags))


def _loops(text: str) -> bool:
    """Whether the end of a text is one piece four times in a row; a piece of one character at least 20 times."""
    end = text.strip()[-LONGEST_LINE:]
    for period in range(1, min(PERIODS, len(end) // 4) + 1):
        times = max(4, 20 // period)
        if len(end) >= period * times and end.endswith(end[-period:] * times):
            return True
    return False


def _copies(completion: Completion) -> bool:
    prompt = " ".join(completion.prompt.split())
    text = " ".join(completion.text.split())
    size = min(COPIED, len(prompt))
    return size >= COPIED // 4 and any(prompt[at : at + size] in text for at in range(0, len(prompt) - size + 1, size))
