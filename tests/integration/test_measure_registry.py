"""A cell's measurements: what is asked for is imported and made, and nothing else."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from rlvr_bench.experiment.measurements import DEFAULT, REGISTRY, MeasurementSettings, resolve
from rlvr_bench.measure import registry
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.plugins.registry import plugin_entries

GROUP = "rlvr_bench.measurements"


class Count(MeasurementSettings):
    implementation = f"{__name__}:CountOfCell"
    needs_merged_weights = True

    start: int = 1


class CountOfCell(Measurement[Count]):
    def after(self, context, trained):  # type: ignore[no-untyped-def]
        return {"count": self.settings.start}


class NoMeasurement(MeasurementSettings):
    implementation = "builtins:list"


class _Handle:
    def __init__(self, mergeable: bool) -> None:
        self.mergeable = mergeable


def test_a_measurement_gets_its_settings_and_is_left_out_where_it_does_not_apply(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(plugin_entries(GROUP), "count", (EntryPoint("count", f"{__name__}:Count", "any"),))
    (made,) = registry.create({"count": {"start": 3}}).values()
    made.before(None)  # type: ignore[arg-type]
    assert made.after(None, None) == {"count": 3}  # type: ignore[arg-type]
    assert made.applies_to(_Handle(True)) and not made.applies_to(_Handle(False))  # type: ignore[arg-type]


def test_what_points_to_no_measurement_is_refused(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(plugin_entries(GROUP), "odd", (EntryPoint("odd", f"{__name__}:NoMeasurement", "any"),))
    with pytest.raises(TypeError, match="builtins:list is no Measurement"):
        registry.create({"odd": {}})


def test_every_installed_measurement_can_be_made() -> None:
    asked = resolve({name: {"tasks": ["arithmetic"]} if name == "lm_eval" else True for name in REGISTRY.names()})
    assert set(registry.create(asked)) == set(REGISTRY.names()) >= set(DEFAULT)


def test_a_cell_imports_no_measurement_that_it_was_not_asked_for() -> None:
    code = (
        "import sys; import rlvr_bench.cell.run; from rlvr_bench.measure import registry; registry.create({}); "
        "rooms = ('geometry.cell', 'geometry.mask_sample', 'thinking', 'studies', 'evaluate.contamination'); "
        "print([name for name in sys.modules if name.startswith(tuple(f'rlvr_bench.{room}' for room in rooms))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
