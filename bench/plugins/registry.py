"""Things by name: those that are built in, those of plug-in files, and those of packages under an entry-point group.

A plug-in is imported when it is asked for. One that cannot be used, or that claims a name that is taken, is an error
for whoever asks for that name, and for nobody else.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from rlvr_bench.plugins.file import PluginFile, files
from rlvr_bench.plugins.importing import naming
from rlvr_bench.plugins.suggestion import closest, did_you_mean
from rlvr_bench.plugins.trial import entry_refusal

Item = TypeVar("Item")


@cache
def plugin_entries(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return name -> the entry points of that name in `group`, sorted; more than one is a clash."""
    points = sorted(entry_points(group=group))
    return {point.name: tuple(other for other in points if other.name == point.name) for point in points}


class Registry(Generic[Item]):
    """The things of one kind ("method"), by name; an `error` is what it raises, one sentence with the fix.

    `built_in` holds the things, or rows from which `load` makes one when it is asked for. `refusal` says why an object
    that a plug-in offers is none, or None. `reserved` are names that mean something else to the caller (aliases).
    `name_in_file` says under which name a plug-in file offers an object (given its name there), None if under none.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, Any],
        error: type[Exception],
        *,
        refusal: Callable[[Any], str | None],
        load: Callable[[Any], Item] = lambda row: row,
        reserved: Collection[str] = (),
        name_in_file: Callable[[str, Any], str | None] | None = None,
    ) -> None:
        self.kind, self.group, self.error = kind, group, error
        self._built_in, self._load, self._refusal, self._reserved = built_in, load, refusal, reserved
        self._name_in_file = name_in_file or self._dashed
        self._plugins: dict[EntryPoint, Item | Exception] = {}

    def names(self) -> list[str]:
        """Return all names, built-in ones first, plug-ins that cannot be used included; nothing is imported."""
        plugins = (*plugin_entries(self.group), *self._in_files())
        return [*self._built_in, *(name for name in dict.fromkeys(plugins) if name not in self._built_in)]

    def file_of(self, name: str) -> PluginFile | None:
        """Return the plug-in file that offers `name`; None where no file does."""
        return next((file for file, _ in self._in_files().get(name, ())), None)

    def find(self, name: str) -> Item:
        """Return the thing of a name; raises `error` if it is unknown, claimed twice, or a plug-in without use."""
        self.refuse_clash(name)
        if name in self._built_in:
            return self._load(self._built_in[name])
        if offers := self._in_files().get(name):
            file, item = offers[0]
            return self._accepted(item, f"{self.kind} {name!r} of {file.path}")
        if name not in plugin_entries(self.group):
            raise self.error(f"unknown {self.kind} {name!r}{self._hint(name)}")
        return self._imported(plugin_entries(self.group)[name][0])

    def available(self) -> tuple[dict[str, Item], list[str]]:
        """Return all that can be used, by name, and one sentence for each name that cannot."""
        items: dict[str, Item] = {}
        faults: list[str] = []
        for name in self.names():
            try:
                items[name] = self.find(name)
            except self.error as fault:
                faults.append(str(fault))
        return items, faults

    def refuse_clash(self, name: str) -> None:
        """Raise `error` when more than one package claims `name`, this one included."""
        own = name in self._built_in or name in self._reserved
        claims = ["this package"] * own + [point.value for point in plugin_entries(self.group).get(name, ())]
        claims += [str(file.path) for file, _ in self._in_files().get(name, ())]
        if len(claims) > 1:
            raise self.error(
                f"{self.kind} {name!r} is registered by {' and by '.join(claims)}; rename an entry point, or uninstall "
                "the package that has it"
            )

    def _hint(self, name: str) -> str:
        """Return the name that was meant; where none is close, all there are and how one of a plug-in gets known."""
        known = [*self.names(), *self._reserved]
        if closest(name, known) is not None:
            return did_you_mean(name, known)
        return (
            f"{did_you_mean(name, known)}; if a plug-in has it, install its package (python -m pip install NAME), or "
            "give its file with --plugin FILE"
        )

    def _in_files(self) -> dict[str, list[tuple[PluginFile, Any]]]:
        """Return by name what plug-in files offer of this kind, with the files."""
        offers: dict[str, list[tuple[PluginFile, Any]]] = {}
        for file in files().values():
            for variable, item in file.objects.items():
                if (name := self._name_in_file(variable, item)) is not None:
                    offers.setdefault(name, []).append((file, item))
        return offers

    def _dashed(self, variable: str, item: Any) -> str | None:
        return variable.replace("_", "-") if self._refusal(item) is None else None

    def _imported(self, point: EntryPoint) -> Item:
        """Return what an entry point leads to; it is tried once, however often a command looks."""
        if point not in self._plugins:
            try:
                self._plugins[point] = self._accepted(*self._loaded(point))
            except self.error as fault:
                self._plugins[point] = fault
        item = self._plugins[point]
        if isinstance(item, self.error):
            raise item
        return cast(Item, item)

    def _loaded(self, point: EntryPoint) -> tuple[Any, str]:
        """Import an entry point's object; returns it with the words that name the plug-in."""
        plugin = f"plug-in {self.kind} {point.name!r} ({point.value})"
        with naming(plugin):
            if (reason := entry_refusal(point)) is None:
                try:
                    return point.load(), plugin
                except (Exception, SystemExit) as failure:  # noqa: BLE001 - another package's, which is named
                    reason = f"{type(failure).__name__}: {failure}"
        raise self.error(f"{plugin} cannot be imported ({reason}); mend or uninstall it")

    def _accepted(self, item: Any, plugin: str) -> Item:
        if (refusal := self._refusal(item)) is not None:
            raise self.error(f"{plugin} {refusal}")
        loaded: Item = item
        return loaded
