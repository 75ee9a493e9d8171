"""Settings of tasks and rewards: strict pydantic models.

What a setting means is described beside the task or reward that it belongs to.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from rlvr_bench.plugins.settings import Settings as PlainSettings
from rlvr_bench.plugins.settings import explain
from rlvr_bench.tasks.errors import TaskError


class Settings(PlainSettings):
    """Settings that are looked up by `name`; lists and texts are not converted either."""

    model_config = ConfigDict(strict=True)

    name: str


class TaskSettings(Settings):
    """The settings of every task."""

    locations: ClassVar[frozenset[str]] = frozenset()
    """Keys that say where data lie. They stay out of the fingerprint: the problems themselves are in it."""

    chat: bool = Field(default=False, description="prompts are chat messages, for models with a chat template")
    marker: Literal["required", "any"] | None = Field(
        default=None,
        description="required: only the form that the prompt asks for counts; any: others too; else the task's rule",
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description='texts that end a completion, such as "Question:", in training and in evaluation'
    )


SettingsModel = TypeVar("SettingsModel", bound=Settings)


def validated(model: type[SettingsModel], settings: Mapping[str, Any], what: str) -> SettingsModel:
    """`settings` as `model`; raises TaskError with one sentence about the first fault. `what` opens the sentence."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as fault:
        raise TaskError(explain(fault, model, what)) from None
