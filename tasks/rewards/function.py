"""A reward that is a plain function of a plug-in file: `fn(completions, problems) -> list[float]`, named "my.py:fn".

What it returns is checked at every call: one finite number per completion.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlvr_bench.plugins.file import REFERENCE, PluginError, PluginFile, files
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards.reward import Reward, RewardContext, RewardKind
from rlvr_bench.tasks.settings import Settings


def function_file(name: str) -> PluginFile | None:
    """The plug-in file of "my.py:fn"; None for another name, or where no such file is in use."""
    reference = REFERENCE.fullmatch(name)
    return files().get(reference["file"]) if reference else None


def function_kind(name: str) -> RewardKind:
    """The kind of "my.py:fn".

    Raises:
        TaskError: the file is not in use, or lacks the function.
    """
    file = function_file(name)
    if file is None:
        raise TaskError(f"reward {name!r}: its file is not here; give its path with --plugin")
    try:
        function = file.object(name.rpartition(":")[2])
    except PluginError as fault:
        raise TaskError(f"reward {name!r}: {fault}") from fault
    if not callable(function) or isinstance(function, type):
        raise TaskError(f"reward {name!r} is no function; write one of (completions, problems) that returns numbers")
    description = (function.__doc__ or f"the function of {file.path.name}").strip().splitlines()[0]
    return RewardKind(description, Settings, lambda _: paid_by(function, name))


def paid_by(function: Callable[[list[str], list[Problem]], Any], name: str) -> Reward:
    """The reward that a function computes; raises TaskError for what is not one finite number per completion."""

    def reward(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        values = function(list(completions), list(problems))
        numbers = [float(value) for value in values] if _are_numbers(values) else []
        if len(numbers) != len(completions) or not all(map(math.isfinite, numbers)):
            raise TaskError(
                f"reward {name!r} returned {str(values)[:80]} for {len(completions)} completions; return a list of "
                "one finite number for each"
            )
        return numbers

    return reward


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, int | float) for value in values)
