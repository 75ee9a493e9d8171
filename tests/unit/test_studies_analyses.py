"""The registry of analyses: outside studies add theirs, a study that cannot be used is named."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from claim_evidence import WRITTEN

from rlvr_bench.plugins.studies import GROUP
from rlvr_bench.studies import analyses as registry
from rlvr_bench.studies.claim import Claim, load_claims
from rlvr_bench.studies.errors import FindingsError


def _installed(monkeypatch: pytest.MonkeyPatch, folder: Path, table: str | None) -> None:
    """Install a study "weather" of another package whose module of analyses holds this text."""
    (folder / "weather_study").mkdir()
    (folder / "weather_study" / "__init__.py").write_text("")
    if table is not None:
        (folder / "weather_study" / "analyses.py").write_text(table)
    monkeypatch.syspath_prepend(str(folder))
    for module in ("weather_study", "weather_study.analyses"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    point = EntryPoint("weather", "weather_study", GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: (point,))
    registry.analyses.cache_clear()


@pytest.fixture
def _fresh_registry() -> Iterator[None]:
    yield
    registry.analyses.cache_clear()


@pytest.mark.usefixtures("_fresh_registry")
def test_an_outside_study_adds_analyses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _installed(monkeypatch, tmp_path, "def rain(evidence, millimetres): ...\nANALYSES = {'rain': rain}\n")
    claim = Claim.model_validate(WRITTEN | {"analysis": "rain", "arguments": {"millimetres": 3}})
    assert registry.analysis_of(claim).__name__ == "rain"
    with pytest.raises(FindingsError, match="unknown analysis 'rian'; did you mean 'rain'"):
        registry.analysis_of(claim.model_copy(update={"analysis": "rian"}))


@pytest.mark.usefixtures("_fresh_registry")
@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("ANALYSES = {'mean': print}\n", "study 'weather': analysis 'mean' is there already, from rlvr_bench"),
        ("import no_such_module_anywhere\n", "cannot be imported"),
        ("TABLE = {}\n", "has no table ANALYSES"),
    ],
)
def test_a_study_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, says: str
) -> None:
    _installed(monkeypatch, tmp_path, table)
    with pytest.raises(FindingsError, match=says):
        registry.analyses()


@pytest.mark.usefixtures("_fresh_registry")
def test_a_study_of_presets_alone_has_no_analyses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _installed(monkeypatch, tmp_path, None)
    assert registry.analyses().keys() == registry.GENERAL.keys()


def test_every_analysis_is_named_by_a_claim() -> None:
    assert {claim.analysis for claim in load_claims()} == registry.analyses().keys()
