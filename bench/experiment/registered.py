"""Settings classes that packages register by entry point: what a table of an experiment can name beside the core.

A class `MyProbe` of a plug-in file is `my_probe`. `name = true` asks for one, a table gives it settings. What acts is
imported only by a cell that asks for it, from where the class points. Nothing here imports torch.
"""

import re
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.plugins.file import PluginFile
from rlvr_bench.plugins.registry import Registry
from rlvr_bench.plugins.settings import Settings, explain


class RegisteredSettings(Settings):
    """Settings under a name; `implementation` is "module:class" of what they are handed to."""

    implementation: ClassVar[str]


SettingsT = TypeVar("SettingsT", bound=RegisteredSettings)


class SettingsRegistry(Generic[SettingsT]):
    """The settings classes of one kind ("measurement"), by the names of their entry points."""

    def __init__(self, noun: str, group: str, kind: type[SettingsT]) -> None:
        self._noun = noun

        def refusal(item: Any) -> str | None:
            return None if isinstance(item, type) and issubclass(item, kind) else f"is no {kind.__name__}"

        def in_snake_case(_: str, item: Any) -> str | None:
            return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", item.__name__).lower() if refusal(item) is None else None

        # Those of this package are entry points too, so that the core need not import the studies they stand in.
        self._classes: Registry[type[SettingsT]] = Registry(
            noun, group, {}, ExperimentError, refusal=refusal, name_in_file=in_snake_case
        )

    def names(self) -> list[str]:
        """Return all names; nothing is imported."""
        return self._classes.names()

    def file_of(self, name: str) -> PluginFile | None:
        """Return the plug-in file that offers this name; None where no file does."""
        return self._classes.file_of(name)

    def settings_class(self, name: str) -> type[SettingsT]:
        """Return the settings class of this name.

        Raises:
            ExperimentError: it is unknown, two packages claim it, or it is of another kind.
        """
        return self._classes.find(name)

    def read(self, name: str, settings: Any) -> SettingsT:
        """Return the settings that a file gives under this name: true, or a table.

        Raises:
            ExperimentError: the name is unknown, or its settings are wrong.
        """
        kind = self.settings_class(name)
        try:
            return kind.model_validate({} if settings is True else settings)
        except ValidationError as error:
            raise ExperimentError(explain(error, kind, f"{self._noun}s.{name}")) from error
