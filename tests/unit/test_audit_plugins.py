"""A rule of another package is asked like our own; one that is none is named, and costs only itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr_bench.audit.registry import GROUP
from rlvr_bench.audit.run import audit
from rlvr_bench.audit.subject import Subject
from rlvr_bench.geometry.checkpoints import Checkpoint
from rlvr_bench.plugins.registry import plugin_entries

SOURCE = """
from rlvr_bench.audit.rule import note, rule

@rule("is it ours?", "our own runs")
def ours(subject):
    return note("\\x1b[31mred\\nline " + "x" * 5000, "paint it")

def no_rule(subject):
    return None
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "outside_rules.py").write_text(SOURCE)
    folder = tmp_path / "outside-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\nours = outside_rules:ours\nnone = outside_rules:no_rule\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_entries.cache_clear()
    yield
    plugin_entries.cache_clear()


def test_a_plugin_is_asked_and_its_text_is_one_printable_line(plugins: None) -> None:
    # Of nothing, every rule of our own on adapters, logs and completions lacks something.
    audited = audit(Subject("base", "tuned", Checkpoint(Path("base"), {"lm_head.weight": (1, 1)}, {})))
    said = {finding.name: finding.answer for finding in audited.findings}
    assert said["ours"].verdict == "note" and said["ours"].evidence.startswith("[31mred line xxx")
    assert len(said["ours"].evidence) == 1000
    (problem,) = audited.problems
    assert "plug-in audit rule 'none'" in problem and "offer a Rule" in problem
    assert {answer.verdict for name, answer in said.items() if name.startswith(("log", "completions", "adapter"))} == {
        "cannot say"
    }
