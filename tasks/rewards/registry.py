"""Rewards by name, or by settings with a name (`{"name": "random", "p": 0.5}`), and what training needs for them.

Plug-in packages offer a `RewardKind` under the entry-point group `rlvr_bench.rewards`; "my.py:fn" is a function of
a plug-in file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rlvr_bench.plugins.file import REFERENCE, PluginFile
from rlvr_bench.plugins.registry import Registry
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.rewards import combined, labelled, noisy, plain
from rlvr_bench.tasks.rewards.function import function_file, function_kind
from rlvr_bench.tasks.rewards.reward import Label, LabelRequest, Reward, RewardKind
from rlvr_bench.tasks.settings import Settings, validated


def create(settings: str | Mapping[str, Any]) -> Reward:
    """The reward of a name, or of settings with a name; raises TaskError if one of them does not do."""
    kind, checked = _checked(settings)
    return kind.build(checked)


def resolve(settings: str | Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a reward, and of those inside it, with their defaults; raises TaskError as `create` does."""
    checked = _checked(settings)[1].model_dump(mode="json")
    if "rewards" in checked:
        checked["rewards"] = [resolve(inner) for inner in checked["rewards"]]
    if "reward" in checked:
        checked["reward"] = resolve(checked["reward"])
    return checked


def title(settings: Mapping[str, Any]) -> str:
    """The resolved settings in short, for names: "random-0.5", "and-exact-not-strategy-python"."""
    return "-".join(_words(list(settings.values())))


def phrase(settings: Mapping[str, Any]) -> str:
    """The resolved settings for a reader, without those at their defaults: "random p=0.3", "and(exact, format)".

    Nothing is looked up that is not shipped, so that records of a plug-in can be read without it.
    """
    name = str(settings["name"])
    inner = [phrase(each) for each in settings.get("rewards") or [settings.get("reward")] if isinstance(each, Mapping)]
    made_of = f"({', '.join(inner)})" if inner else ""
    fields = BUILT_IN[name].settings.model_fields if name in BUILT_IN else {}
    own = {key: value for key, value in settings.items() if key not in ("name", "reward", "rewards")}
    shown = {k: v for k, v in own.items() if k == name or k not in fields or v != fields[k].default}
    words = [f"={value}" if key == name else f" {key}={value}" for key, value in sorted(shown.items())]
    return name + made_of + "".join(words)


def label_request(settings: str | Mapping[str, Any]) -> LabelRequest | None:
    """How the labels are made that a reward, or one inside it, asks for; None if none does.

    Raises TaskError if two of them ask for different labels, which one run cannot have.
    """
    requests = {kind.labels(checked) for kind, checked in _parts(settings) if kind.labels is not None}
    if len(requests) > 1:
        raise TaskError("Two rewards ask for labels of different samples or seeds: give them the same.")
    return next(iter(requests), None)


def keeps(settings: str | Mapping[str, Any], label: Label | None) -> bool:
    """Whether a problem with this label is trained on: all rewards that choose by labels have to agree."""
    return all(kind.keeps(label) for kind, _ in _parts(settings) if kind.keeps is not None)


def names() -> list[str]:
    """All names, plug-ins last."""
    return REWARDS.names()


def available() -> tuple[dict[str, RewardKind], list[str]]:
    """The kinds that can be used, by name, and one sentence for each plug-in that cannot."""
    return REWARDS.available()


def find(name: str) -> RewardKind:
    """The kind of a name; raises TaskError if it is unknown or its plug-in cannot be used."""
    return function_kind(name) if REFERENCE.fullmatch(name) else REWARDS.find(name)


def plugin_files(settings: str | Mapping[str, Any]) -> list[PluginFile]:
    """The plug-in files that a reward, or one inside it, comes from."""
    names = [checked.name for _, checked in _parts(settings)]
    found = [function_file(name) or REWARDS.file_of(name) for name in names]
    return [file for file in found if file is not None]


BUILT_IN: dict[str, RewardKind] = {
    "exact": RewardKind("1 if the task's verifier says correct", Settings, lambda _: plain.exact),
    "format": RewardKind("1 if an answer is stated in the task's form", Settings, lambda _: plain.answer_format),
    "random": RewardKind("1 with probability p, whatever the completion", plain.RandomSettings, plain.random_reward),
    "inverted": RewardKind("1 if the task's verifier does not say correct", Settings, lambda _: plain.inverted),
    "majority": RewardKind(
        "1 if the answer is what most samples of the base model give",
        labelled.LabelSettings,
        lambda _: labelled.agreement,
        labelled.request,
        labelled.has_label,
    ),
    "incorrect": RewardKind(
        "the same, on no problem but those where that answer is wrong",
        labelled.LabelSettings,
        lambda _: labelled.agreement,
        labelled.request,
        labelled.is_mislabelled,
    ),
    "closeness": RewardKind("falls with the distance to a numeric answer", Settings, lambda _: plain.closeness),
    "strategy": RewardKind(
        "1 if the completion uses a surface strategy", plain.StrategySettings, plain.strategy_reward
    ),
    "no-repetition": RewardKind("0 if the completion repeats itself", Settings, lambda _: plain.no_repetition),
    "length": RewardKind("rises with the completion's length", plain.LengthSettings, plain.length_reward),
    "and": RewardKind(
        "the least of several rewards",
        combined.ManySettings,
        lambda settings: combined.all_of([create(inner) for inner in settings.rewards]),
    ),
    "not": RewardKind(
        "1 minus a reward", combined.OneSettings, lambda settings: combined.opposite_of(create(settings.reward))
    ),
    "weighted": RewardKind(
        "a weighted sum of rewards",
        combined.WeightedSettings,
        lambda settings: combined.weighted([create(inner) for inner in settings.rewards], settings.weights),
    ),
    "noisy": RewardKind(
        "a reward with false positives and false negatives, random or systematic",
        noisy.NoisySettings,
        lambda settings: noisy.noisy(create(settings.reward), settings),
    ),
}


def _refusal(item: object) -> str | None:
    return None if isinstance(item, RewardKind) else f"is a {type(item).__name__}; offer a RewardKind"


REWARDS: Registry[RewardKind] = Registry("reward", "rlvr_bench.rewards", BUILT_IN, TaskError, refusal=_refusal)


def _checked(settings: str | Mapping[str, Any]) -> tuple[RewardKind, Settings]:
    keys = {"name": settings} if isinstance(settings, str) else settings
    name = keys.get("name")
    if not isinstance(name, str):
        raise TaskError(f"A reward needs a name, but {name!r} was given; choose from {', '.join(names())}")
    kind = find(name)
    return kind, validated(kind.settings, keys, f"Reward {name!r}")


def _parts(settings: str | Mapping[str, Any]) -> Iterator[tuple[RewardKind, Settings]]:
    """The reward and all inside it."""
    kind, checked = _checked(settings)
    yield kind, checked
    inner = getattr(checked, "rewards", None) or [getattr(checked, "reward", None)]
    for each in inner:
        if each is not None:
            yield from _parts(each)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _words(each)
    else:
        yield str(value)
