"""Rewards: what training sees. Evaluation never uses them; it always asks the task's own verifier.

In: completions with their problems, verdicts and, for rewards that learn from the base model's own votes, labels. Out:
one number per completion. A reward is looked up by name or by settings with a name; some are made of other rewards.
"""

from rlvr_bench.tasks.rewards.registry import (
    available,
    create,
    find,
    keeps,
    label_request,
    names,
    phrase,
    plugin_files,
    resolve,
    title,
)
from rlvr_bench.tasks.rewards.reward import Label, LabelRequest, Reward, RewardContext, RewardKind

__all__ = [
    "Label",
    "LabelRequest",
    "Reward",
    "RewardContext",
    "RewardKind",
    "available",
    "create",
    "find",
    "keeps",
    "label_request",
    "names",
    "phrase",
    "plugin_files",
    "resolve",
    "title",
]
