"""Verdicts: a planted effect is found, its opposite contradicts, nothing decides nothing."""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_factory import outcomes, record

from rlvr_bench.plugins.studies import GROUP
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import analyses as registry
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.claim import Claim, load_claims
from rlvr_bench.studies.contrasts import difference, over_seeds
from rlvr_bench.studies.derive import derive, judge, judge_all
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, gather
from rlvr_bench.studies.finding import difference_interval, mean_interval
from rlvr_bench.studies.page import as_markdown, interval, standing

RESULTS = Path(__file__).parents[2] / "results"

WRITTEN: dict[str, Any] = {
    "id": "W1",
    "claim": "a is larger",
    "source": "us",
    "published": "",
    "test": "a minus b",
    "analysis": "difference",
    "arguments": {
        "figure": "geometry.sparsity_bf16",
        "a": {"method_name": "lora"},
        "b": {"method_name": "full"},
        "match": ["task.name"],
    },
    "side": "above",
    "threshold": 0.0,
    "margin": 0.0,
}


def _measured(method: str, seed: int, **figures: float | None) -> RunRecord:
    found = record(method, seed)
    return found.model_copy(update={"measurements": {"geometry": figures}})


def _evidence(records: list[RunRecord]) -> Evidence:
    return Evidence(str(records[0].keys.base["name"]), tuple(EvidenceRun(each) for each in records))


def _planted(effect: float, seeds: int = 4) -> Evidence:
    noise = random.Random(3)
    records = []
    for method, middle in (("lora", 0.5 + effect), ("full", 0.5)):
        records += [_measured(method, s, sparsity_bf16=middle + noise.gauss(0, 0.01)) for s in range(seeds)]
    return _evidence(records)


def _verdicts(evidence: list[Evidence], **changes: Any) -> list[str]:
    return [entry["verdict"] for entry in judge(Claim.model_validate(WRITTEN | changes), evidence)]


@pytest.mark.parametrize(("effect", "verdict"), [(0.2, "supported"), (0.0, "undecided"), (-0.2, "contradicted")])
def test_a_planted_effect_gives_its_verdict(effect: float, verdict: str) -> None:
    assert _verdicts([_planted(effect)]) == [verdict]


def test_a_claim_that_a_figure_is_below_is_the_mirror_image() -> None:
    assert _verdicts([_planted(-0.2)], side="below") == ["supported"]
    assert _verdicts([_planted(0.2)], side="below") == ["contradicted"]


def test_one_seed_a_side_decides_nothing_and_says_why() -> None:
    (entry,) = judge(Claim.model_validate(WRITTEN), [_planted(0.2, seeds=1)])
    assert (entry["verdict"], entry["low"], entry["reason"]) == (
        "undecided",
        None,
        "paired by seed; too few seeds for an interval",
    )
    assert entry["estimate"] == pytest.approx(0.2, abs=0.05)


def test_without_records_a_claim_is_undecided_with_the_reason() -> None:
    (nothing,) = judge(Claim.model_validate(WRITTEN), [])
    assert (nothing["verdict"], nothing["reason"], nothing["base"]) == ("undecided", "no records", None)
    (half,) = judge(Claim.model_validate(WRITTEN), [_evidence([_measured("lora", 0, sparsity_bf16=0.1)])])
    assert half["reason"] == "no records with method_name = full"
    undefined = _evidence([_measured(method, 0, sparsity_bf16=None) for method in ("lora", "full")])
    assert judge(Claim.model_validate(WRITTEN), [undefined])[0]["reason"] == (
        "none of 1 records has geometry.sparsity_bf16"
    )


def test_each_base_has_a_verdict_of_its_own() -> None:
    first, second = _planted(0.2), _planted(-0.2)
    other = Evidence("smollm2", second.runs)
    assert _verdicts([first, other]) == ["supported", "contradicted"]
    assert _verdicts([first, other], bases=["smollm2", "gpt"]) == ["contradicted", "undecided"]


def test_strata_that_only_one_side_has_decide_nothing() -> None:
    records = [run.record for run in _planted(0.2).runs]
    moved = [
        each.model_copy(update={"cell": each.cell | {"task": {"name": "elsewhere"}}})
        for each in records
        if each.keys.method_name == "lora"
    ]
    kept = [each for each in records if each.keys.method_name == "full"]
    (entry,) = judge(Claim.model_validate(WRITTEN), [_evidence(moved + kept)])
    assert entry["reason"] == "no two records to compare agree in task.name"


def test_runs_on_a_changed_geometry_are_left_out_unless_asked_for() -> None:
    plain = _measured("lora", 0, sparsity_bf16=0.1)
    turned = plain.model_copy(update={"cell": plain.cell | {"interventions": {"rotate_heads": {"layers": [1]}}}})
    evidence = _evidence([plain, turned])
    assert evidence.select({}) == [EvidenceRun(plain)]
    assert evidence.select({"interventions.rotate_heads": "?*"}) == [EvidenceRun(turned)]
    with pytest.raises(NoEvidence, match="no records with seed = 7"):
        evidence.select({"seed": 7})


def test_intervals_are_those_of_scipy() -> None:
    from scipy import stats

    one, other = [0.1, 0.4, 0.35, 0.2], [0.6, 0.9, 0.55]
    welch = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = difference_interval(one, other)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    student = stats.ttest_1samp(one, 0).confidence_interval(0.95)
    alone = mean_interval(one)
    assert (alone.low, alone.high) == pytest.approx((student.low, student.high))


def test_a_ratio_is_taken_on_the_logarithm() -> None:
    records = [_measured("lora", s, shift=2.0 * 2**s) for s in range(3)]
    records += [_measured("full", s, shift=1.0 * 2**s) for s in range(3)]
    found = contrasts.ratio(_evidence(records), "geometry.shift", {"method_name": "lora"}, {"method_name": "full"})
    assert found.estimate == pytest.approx(2.0)
    assert found.low is not None and found.high is not None
    assert found.low * found.high == pytest.approx(4.0)


def _runs(values: dict[str, list[float]]) -> list[contrasts.Valued]:
    """Return runs of each method with these values for the seeds 0, 1, ..."""
    return [
        (EvidenceRun(record(method, seed)), Value(value))
        for method, found in values.items()
        for seed, value in enumerate(found)
    ]


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=1, max_size=3))
def test_with_the_same_seeds_everywhere_the_interval_is_that_of_their_means(values: list[list[float]]) -> None:
    found = over_seeds(_runs(dict(zip(("full", "lora", "dora"), values, strict=False))))
    expected = mean_interval([fmean(each) for each in zip(*values, strict=True)])
    for end in ("estimate", "low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(expected, end), abs=1e-9)


def test_a_setting_that_one_seed_lacks_is_no_spread_over_seeds() -> None:
    found = over_seeds(_runs({"full": [0.10, 0.11, 0.09], "lora": [0.90, 0.91]}))
    assert found.estimate == pytest.approx((0.10 + 0.905) / 2)
    assert found.low is not None and found.high is not None and found.high - found.low < 0.1
    alone = over_seeds(_runs({"full": [0.10, 0.11, 0.09], "lora": [0.90]}))
    assert alone.estimate == pytest.approx(0.10), "one run knows nothing of the spread"
    assert over_seeds(_runs({"full": [0.1], "lora": [0.9]})).low is None


def test_a_seed_that_was_run_twice_is_no_second_seed() -> None:
    once = [_measured(m, s, sparsity_bf16=v + s / 100) for m, v in (("lora", 0.6), ("full", 0.5)) for s in range(3)]
    again = [each.model_copy(update={"cell_id": each.cell_id[::-1]}) for each in once]
    where: tuple[Any, ...] = ("geometry.sparsity_bf16", {"method_name": "lora"}, {"method_name": "full"}, ["task.name"])
    first, second = (difference(_evidence(records), *where) for records in (once, once + again))
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_a_single_run_elsewhere_does_not_take_the_interval_away() -> None:
    records = [_measured("lora", s, shift=2.0 + 0.1 * s) for s in range(3)]
    records += [_measured("full", s, shift=1.0 + 0.1 * s) for s in range(3)]
    where = {"method_name": "lora"}, {"method_name": "full"}
    alone = contrasts.difference(_evidence(records), "geometry.shift", *where, match=["task.name"])
    elsewhere = [
        each.model_copy(update={"cell": each.cell | {"task": {"name": "sums"}}, "cell_id": name * 12})
        for name, each in (("a", _measured("lora", 0, shift=9.0)), ("b", _measured("full", 0, shift=1.0)))
    ]
    found = contrasts.difference(_evidence(records + elsewhere), "geometry.shift", *where, match=["task.name"])
    assert found == alone and found.low is not None
    single = contrasts.difference(_evidence(elsewhere), "geometry.shift", *where, match=["task.name"])
    assert (single.estimate, single.low) == (8.0, None)


def test_accuracies_are_compared_on_the_same_problems() -> None:
    better = [record("lora", s, outcomes(0.9, seed=s)) for s in range(3)]
    worse = [record("full", s, outcomes(0.4, seed=s)) for s in range(3)]
    where = {"method_name": "lora"}, {"method_name": "full"}
    found = contrasts.accuracy_difference(_evidence(better + worse), *where, match=["task.name"])
    assert found.low is not None and found.low > 0.3
    assert (found.seeds, len(found.cells)) == ((0, 1, 2), 6)
    elsewhere = [record("full", s, outcomes(0.4, seed=s), problems="problems-2") for s in range(3)]
    with pytest.raises(NoEvidence, match="problems"):
        contrasts.accuracy_difference(_evidence(better + elsewhere), *where, match=["task.name"])


def test_an_unknown_analysis_or_argument_is_refused_with_one_sentence() -> None:
    with pytest.raises(FindingsError, match=r"claim W1: unknown analysis 'diference'.*did you mean"):
        judge(Claim.model_validate(WRITTEN | {"analysis": "diference"}), [])
    with pytest.raises(FindingsError, match=r"claim W1: analysis 'difference': .*it takes figure, a, b, match"):
        judge(Claim.model_validate(WRITTEN | {"arguments": {"figur": "x"}}), [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("topic = 't'\nclaim = 3", "claim"),
        ("topic = 't'\n[[claim]]\nid = 'W1'\n", "missing"),
        ("[[hypothesis", "not readable as TOML"),
        ("", "missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(FindingsError, match=f"mine.toml.*{said}"):
        load_claims(tmp_path)


def test_ids_are_unique_over_files_and_sorted_by_number(tmp_path: Path) -> None:
    text = "topic = 't'\n[[claim]]\nid = '{}'\nclaim = 'c'\nsource = 's'\npublished = ''\ntest = 't'\n"
    text += "analysis = 'mean'\nside = 'above'\nthreshold = 0\nmargin = 0\n"
    (tmp_path / "a.toml").write_text(text.format("W10"))
    (tmp_path / "b.toml").write_text(text.format("W2"))
    assert [hypothesis.id for hypothesis in load_claims(tmp_path)] == ["W2", "W10"]
    (tmp_path / "c.toml").write_text(text.format("W2"))
    with pytest.raises(FindingsError, match="W2 is there twice"):
        load_claims(tmp_path)
    with pytest.raises(FindingsError, match="holds no claims"):
        load_claims(tmp_path / "nowhere")


def test_a_named_choice_stands_for_its_settings_and_more(tmp_path: Path) -> None:
    text = """
        topic = "t"
        settings = { of = "short" }
        [choices]
        short = { "signal.steps" = 8 }
        gentle = { "method.type" = "lora", learning_rate = 1e-4 }
        [[claim]]
        id = "W1"
        claim = "c"
        source = "s"
        published = ""
        test = "t"
        analysis = "difference"
        side = "above"
        threshold = 0
        margin = 0
        [claim.arguments]
        figure = "short"
        a = { of = "gentle", learning_rate = 1e-3, seed = 1 }
        b = { "method.type" = "full" }
    """
    (tmp_path / "a.toml").write_text(text)
    (claim,) = load_claims(tmp_path)
    assert claim.asked == {
        "figure": "short",
        "a": {"signal.steps": 8, "method.type": "lora", "learning_rate": 1e-3, "seed": 1},
        "b": {"signal.steps": 8, "method.type": "full"},
    }
    for known, typo in (("gentle", "gentel"), ("short", "shrt")):
        (tmp_path / "a.toml").write_text(text.replace(f'of = "{known}"', f'of = "{typo}"'))
        with pytest.raises(FindingsError, match=rf'a.toml: \[choices\] has no "{typo}".*did you mean .?{known}'):
            load_claims(tmp_path)


def test_runs_of_two_result_schemas_are_not_judged_together(tmp_path: Path) -> None:
    old, new = ([record("lora", seed) for seed in seeds] for seeds in ((0, 1, 2), (3, 4)))
    for schema, runs in ((2, old), (3, new)):
        for run in runs:
            cell = run.cell | {"result_schema": schema}
            store.write_run(tmp_path, run.model_copy(update={"cell": cell}), [])
    newest, older = gather(tmp_path)
    assert (newest.schema, [run.seed for run in newest.select({})]) == (3, [3, 4])
    assert (older.schema, [run.seed for run in older.select({})]) == (2, [0, 1, 2])


def _under(schema: int, seeds: range, effect: float, tasks: tuple[str, ...] = ("chain",)) -> Evidence:
    runs = []
    for task in tasks:
        for seed in seeds:
            for method, value in (("lora", 0.5 + effect + 0.01 * seed), ("full", 0.5 - 0.01 * seed)):
                made = _measured(method, seed, sparsity_bf16=value)
                changes = {"cell": made.cell | {"task": {"name": task}}, "cell_id": f"{schema}{task}{method}{seed}"}
                runs.append(EvidenceRun(made.model_copy(update=changes)))
    return Evidence("organism-steps", tuple(runs), schema=schema)


def test_a_verdict_rests_on_the_newest_schema_that_has_enough_of_the_claim() -> None:
    claim = Claim.model_validate(WRITTEN)
    old = _under(2, range(5), -0.2)

    def chosen(new: Evidence, older: Evidence = old) -> tuple[int, str, list[int]]:
        (entry,) = judge(claim, [new, older])
        return entry["result_schema"], entry["verdict"], entry["sides"]

    assert chosen(_under(3, range(5), 0.2)) == (3, "supported", [5, 5])
    assert chosen(_under(3, range(4), 0.2)) == (2, "contradicted", [5, 5]), "a seed is still to be run again"
    both = _under(2, range(5), -0.2, ("chain", "sums"))
    assert chosen(_under(3, range(5), 0.2), both)[0] == 2, "a setting is still to be run again"
    assert chosen(_under(3, range(5), 0.2, ("chain", "sums")), both)[0] == 3
    assert chosen(_under(3, range(2), 0.2), _under(2, range(2), -0.2))[0] == 3, "where none has enough, the newest"
    assert chosen(Evidence("organism-steps", (), schema=3))[0] == 2, "nothing vanishes"


def test_a_difference_within_the_margin_is_negligible() -> None:
    near, far = _planted(0.02, seeds=8), _planted(0.2, seeds=8)
    assert _verdicts([near]) == ["supported"]
    assert _verdicts([near], margin=0.05) == ["negligible"]
    assert _verdicts([far], margin=0.05) == ["supported"]
    assert _verdicts([_planted(0.0, seeds=2)], margin=0.001) == ["undecided"], "a wide interval shows no equivalence"
    (entry,) = judge(Claim.model_validate(WRITTEN | {"margin": 0.05}), [near])
    found = difference(near, **WRITTEN["arguments"])
    ends = [found.p_value(end) for end in (-0.05, 0.05)]
    assert entry["p"]["margin"] == pytest.approx(max(end for end in ends if end is not None), rel=1e-5)


def test_settings_of_a_claim_hold_for_all_sides() -> None:
    moved = _under(2, range(3), -0.9, ("sums",))
    evidence = Evidence("organism-steps", (*_under(2, range(3), 0.2).runs, *moved.runs), schema=2)
    claim = WRITTEN | {"settings": {"task.name": "chain"}}
    (before,) = judge(Claim.model_validate(claim), [_under(2, range(3), 0.2)])
    (after,) = judge(Claim.model_validate(claim), [evidence])
    assert before["estimate"] == after["estimate"] and after["settings"] is None
    (drifting,) = judge(Claim.model_validate(WRITTEN), [evidence])
    assert drifting["estimate"] != before["estimate"]
    assert drifting["settings"]["count"] == 2 and drifting["settings"]["i_squared"] > 0.9


def test_sides_on_the_same_prompts_are_paired_by_seed() -> None:
    """As the arms of a clip: each seed moves both sides alike, so that their difference hardly scatters."""

    def evidence(rewards: tuple[str, str]) -> Evidence:
        records = []
        for method, reward, shift in (("lora", rewards[0], 0.05), ("full", rewards[1], 0.0)):
            for seed, luck in enumerate((0.1, 0.7, 0.4, 0.9)):
                made = _measured(method, seed, sparsity_bf16=luck + shift + 0.001 * (seed % 2) * len(method))
                cell = made.cell | {"reward": {"name": reward}}
                records.append(made.model_copy(update={"cell": cell}))
        return _evidence(records)

    together, apart = (
        difference(evidence(names), **WRITTEN["arguments"]) for names in (("random",) * 2, ("random", "exact"))
    )
    assert together.note == "paired by seed" and apart.note == ""
    assert together.estimate == apart.estimate
    from scipy import stats

    values = {run.record.keys.method_name: [] for run in evidence(("random",) * 2).runs}
    for run in evidence(("random",) * 2).runs:
        values[run.record.keys.method_name].append(run.figure("geometry.sparsity_bf16"))
    expected = stats.ttest_rel(values["lora"], values["full"]).confidence_interval(0.95)
    assert (together.low, together.high) == pytest.approx((expected.low, expected.high))
    assert apart.high is not None and apart.high > 0.5


def test_the_page_states_its_false_discovery_rate() -> None:
    strong, weak = _planted(0.2, seeds=8), replace(_planted(0.02, seeds=3), base="other")
    entries = judge_all([Claim.model_validate(WRITTEN)], [strong, weak])
    ps = [entry["p"]["threshold"] for entry in entries]
    assert [entry["q"] for entry in entries] == pytest.approx([min(2 * ps[0] * 1.5, 1), min(ps[1] * 1.5, 1)], rel=1e-4)
    page = as_markdown(entries)
    assert "of 1 verdicts hold" in page or "of 2 verdicts hold" in page
    assert "over all 2 tests" in page


def test_a_broken_record_or_report_stops_the_verdicts(tmp_path: Path) -> None:
    path = store.write_run(tmp_path, record("lora"), [])
    assert [each.base for each in gather(tmp_path)] == [str(record("lora").keys.base["name"])]
    (tmp_path / "thinking").mkdir()
    (tmp_path / "thinking" / "one.json").write_text('{"base": "smollm2", "accuracy": 1}')
    assert [each.base for each in gather(tmp_path) if each.thinking] == ["smollm2"]
    (tmp_path / "thinking" / "one.json").write_text("[]")
    with pytest.raises(FindingsError, match=r"one\.json"):
        gather(tmp_path)
    path.write_text("{")
    with pytest.raises(FindingsError, match=r"run\.json: not valid JSON"):
        gather(tmp_path)


def test_the_page_holds_what_files_say_as_text() -> None:
    named = Claim.model_validate(WRITTEN | {"claim": "a | b <script>\nc"})
    page = as_markdown(judge_all([named], [_planted(0.2)]))
    assert "a \\| b &lt;script> c" in page
    assert "**1 claim supported by every base model that decides them**" in page


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.999825, 0.999393, 1.00026), "0.99982 [0.99939, 1.0003]"),
        ((0.404733, -1.77555, 2.58502), "0.405 [-1.78, 2.59]"),
        ((2.5, 0.5, None), "2.5 [0.5, ∞]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((0.25, None, None), "0.25"),
        ((None, None, None), "–"),
    ],
)
def test_an_estimate_has_the_digits_that_its_interval_needs(ends: tuple[float | None, ...], shown: str) -> None:
    assert interval(dict(zip(("estimate", "low", "high"), ends, strict=True))) == shown


def test_a_claim_stands_as_the_base_models_that_decide_it_say() -> None:
    said = {
        ("supported", "undecided"): "supported",
        ("contradicted", "contradicted"): "contradicted",
        ("supported", "contradicted", "undecided"): "mixed",
        ("undecided",): "undecided",
        ("negligible", "undecided"): "negligible",
        ("supported", "negligible"): "mixed",
    }
    for verdicts, expected in said.items():
        assert standing([{"verdict": verdict} for verdict in verdicts]) == expected


def test_the_page_has_a_line_per_claim_with_a_cell_per_base() -> None:
    moved = [_planted(0.2), replace(_planted(-0.2), base="other")]
    page = as_markdown(judge_all([Claim.model_validate(WRITTEN | {"topic": "Weights"})], moved))
    (line,) = [line for line in page.splitlines() if line.startswith("| W1 |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["W1", "a is larger", "> 0"]
    assert cells[3].startswith("✓ 0.") and cells[4].startswith("✗ -0.") and cells[4].endswith("(4 seeds)")
    assert "## Weights" in page


def test_the_committed_findings_are_what_the_records_give(tmp_path: Path) -> None:
    (tmp_path / "records").symlink_to(RESULTS / "records")
    if (RESULTS / "thinking").is_dir():
        (tmp_path / "thinking").symlink_to(RESULTS / "thinking")
    entries = derive(tmp_path)
    assert entries == json.loads((RESULTS / "findings.json").read_text())
    for name in ("findings.json", "findings.md"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()


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
