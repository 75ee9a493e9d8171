"""Settings classes that packages register by entry point: what a table of an experiment can name beside the core.

`name = true` asks for one, a table gives it settings. What acts is imported only by a cell that asks for it, from where
the class points. Nothing here imports torch.
"""

from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.plugins.settings import Settings, explain
from rlvr_bench.plugins.suggestion import did_you_mean


class RegisteredSettings(Settings):
    """Settings under a name; `implementation` is "module:class" of what they are handed to."""

    implementation: ClassVar[str]


SettingsT = TypeVar("SettingsT", bound=RegisteredSettings)


class SettingsRegistry(Generic[SettingsT]):
    """The settings classes of one kind, by the names of their entry points."""

    def __init__(self, what: str, group: str, kind: type[SettingsT]) -> None:
        self._what, self._group, self._kind = what, group, kind
        self._classes: dict[str, type[SettingsT]] = {}

    @cached_property
    def entries(self) -> dict[str, tuple[EntryPoint, ...]]:
        """Name -> the entry points of that name; more than one is a clash."""
        found = entry_points(group=self._group)
        return {name: tuple(found.select(name=name)) for name in sorted(found.names)}

    def settings_class(self, name: str) -> type[SettingsT]:
        """Return the settings class of this name.

        Raises:
            ExperimentError: it is unknown, two packages claim it, or it is of another kind.
        """
        if name in self._classes:
            return self._classes[name]
        if name not in self.entries:
            raise ExperimentError(f'unknown {self._what} "{name}"{did_you_mean(name, self.entries)}')
        claims = sorted({entry.value for entry in self.entries[name]})
        if len(claims) > 1:
            both = " and by ".join(claims)
            raise ExperimentError(f'{self._what} "{name}" is registered by {both}; uninstall one of them')
        try:
            settings = self.entries[name][0].load()
        except (Exception, SystemExit) as failure:  # another package's code: the sentence has to name the package
            reason = f"{type(failure).__name__}: {failure}"
            raise ExperimentError(
                f'{self._what} "{name}" ({claims[0]}) cannot be imported ({reason}); mend or uninstall that package'
            ) from failure
        if not (isinstance(settings, type) and issubclass(settings, self._kind)):
            raise ExperimentError(f'{self._what} "{name}" ({claims[0]}) is no {self._kind.__name__}; mend that package')
        self._classes[name] = settings
        return settings

    def read(self, name: str, given: Any) -> SettingsT:
        """Return the settings that a file gives under this name: true, or a table.

        Raises:
            ExperimentError: the name is unknown, or its settings are wrong.
        """
        kind = self.settings_class(name)
        try:
            return kind.model_validate({} if given is True else given)
        except ValidationError as error:
            raise ExperimentError(explain(error, kind, f"{self._what}s.{name}")) from error
