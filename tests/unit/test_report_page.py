"""The report page without a browser: what is in it, what is kept out, and that the same records give the same bytes."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from record_factory import record
from report_folder import HOSTILE, collapsed, everything, material_of, steps, variant, write_everything

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.record import store
from rlvr_bench.report import contrasts, front, gates, rates, reproduce, standing
from rlvr_bench.report.choices import choice, grouped
from rlvr_bench.report.curves import POINTS, curves
from rlvr_bench.report.document import document
from rlvr_bench.report.gates import figures
from rlvr_bench.report.material import Material, gather
from rlvr_bench.report.page import packed, render, write_report
from rlvr_bench.report.soundness import sound_share

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def committed() -> Material:
    """What a page shows of the committed results, read once."""
    return gather(RESULTS)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    write_everything(tmp_path / "results")
    return tmp_path / "results"


class Page(HTMLParser):
    """What a browser makes of the page: its elements and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_same_folder_gives_the_same_bytes(results: Path) -> None:
    path, problems = write_report(results)
    first = path.read_bytes()
    assert problems == ()
    write_report(results)
    assert path.read_bytes() == first


def test_nothing_is_loaded_and_nothing_hostile_is_an_element(results: Path) -> None:
    page = Page(write_report(results)[0].read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags and "iframe" not in tags and tags.count("script") == 4
    addresses = [held[name] for _, held in page.elements for name in ("src", "href") if name in held]
    assert addresses and all(str(address).startswith(("#", "data:,")) for address in addresses)
    assert not any(name.startswith("on") for _, held in page.elements for name in held)


def test_the_policy_forbids_the_network_and_other_scripts(results: Path) -> None:
    page = Page(write_report(results)[0].read_text(encoding="utf-8"))
    (policy,) = [held["content"] for _, held in page.elements if held.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and "default-src 'none'" in policy
    scripts = next(part for part in policy.split(";") if "script-src" in part)
    assert scripts.count("'sha256-") == 3 and "unsafe" not in scripts and "http" not in policy


def test_no_control_character_of_a_record_is_in_the_page(tmp_path: Path) -> None:
    made = record("lora")
    environment = made.environment.model_copy(update={"cpu": "\x1b[2J\x9b31m\x00 CPU", "python": "\x1b]0;title\x07"})
    store.write_run(tmp_path, made.model_copy(update={"environment": environment}), steps())
    page = write_report(tmp_path)[0].read_text(encoding="utf-8")
    assert "CPU" in page and not set(page) & set(map(chr, [0, 7, 27, 0x9B]))


@pytest.mark.parametrize("text", [HOSTILE, "</script>", "<!--<script>", "]]>", "\u2028\u2029", "a & b"])
def test_json_in_the_page_is_inert_and_reads_back(text: str) -> None:
    written = packed({"text": text})
    assert re.fullmatch("[A-Za-z0-9+/]+=*", written)
    assert json.loads(zlib.decompress(base64.b64decode(written))) == {"text": text}


def test_what_cannot_be_read_is_named_and_costs_only_itself(results: Path) -> None:
    (results / "findings.json").write_text("{")
    broken = next(results.glob("runs/*/full/*/steps.jsonl"))
    broken.write_text("nonsense\n")
    path, problems = write_report(results)
    assert len(problems) == 2 and "findings.json" in problems[0] and "steps.jsonl, line 1" in problems[1]
    assert "2 files of this results folder could not be read" in path.read_text(encoding="utf-8")


def test_on_paper_stands_the_largest_study_of_each_model_and_task() -> None:
    def study(base: str, problems: object, **task: object) -> dict[str, object]:
        settings = {"name": "chain", "levels": [4]} | task
        return {"base": base, "task": settings, "traces": {"test": {"problems": problems}}}

    documents = {
        "a": study("steps", 128),
        "a-seed-3": study("steps", 1024, seed=3, test=1024),
        "a-seed-4": study("steps", 1024, seed=4, test=1024, validation=1088),
        "b": study("steps", 8, levels=[5]),
        "c": study("direct", "many"),
        "d": {"base": "smollm2", "task": None},
    }
    assert front.on_paper(documents) == ["a-seed-4", "b", "c", "d"]


def test_findings_are_told_by_kind_of_model_and_what_is_none_is_named(results: Path) -> None:
    bases = ("organism-steps", "folder/organism-own", "smollm2", None)
    listed = [{"id": "X1", "base": base} for base in bases]
    (results / "findings.json").write_text(json.dumps([*listed, 3, "X2"]))
    material = gather(results)
    kinds = [each["kind"] for each in document(material)[0]["findings"]]
    assert kinds == ["organisms", "organisms", "real", "organisms"]
    assert len(material.problems) == 1 and "2 of its entries are no findings" in material.problems[0]


def test_a_committed_row_is_reproduced_by_the_file_that_the_page_gives(committed: Material, tmp_path: Path) -> None:
    groups = [group for group in committed.runs.values() if group[0].keys.base["name"].startswith("organism")]
    tuned = [group for group in groups if group[0].cell.get("tuning")]
    plain = [group for group in groups if not group[0].cell.get("tuning")]
    unclipped = [group for group in plain if group[0].cell["signal"].get("clip_low", 0) is None]
    assert plain and tuned and unclipped
    for records in [*plain[:2], unclipped[0], tuned[0]]:
        path = tmp_path / "again.toml"
        path.write_text(reproduce.experiment_head(records[0]) + "\n" + reproduce.method_table(records[0]))
        seeds = tuple(record.keys.seed for record in records)
        schema = {"result_schema": records[0].cell["result_schema"]}  # ids are those of the code that ran
        fresh = cells(load(str(path)), seeds=seeds)
        again = [Cell.model_validate(cell.model_dump() | schema) for cell in fresh]
        assert {cell.comparison for cell in again} == {record.comparison for record in records}
        assert {cell.learning_rate for cell in again} == {record.keys.learning_rate for record in records}
        # How a protocol found the settings is in the ids of its cells; the file has no protocol.
        if records[0].cell.get("tuning") is None:
            assert {cell.id for cell in again} == {record.cell_id for record in records}
        assert reproduce.command(records) == f"rlvr-bench run again.toml --seeds {','.join(map(str, seeds))}"


def test_a_rate_of_a_sweep_is_written_as_a_list() -> None:
    swept = next(one for one in everything() if one.keys.method_name == "lora@0.0003")
    assert reproduce.method_table(swept) == '[methods.lora]\ntype = "lora"\nlearning_rate = [\n    0.0003,\n]\n'


def test_curves_are_means_of_bins_with_the_seeds_they_span() -> None:
    found = curves([steps(40), steps(40, shift=1.0)])
    reward = found["reward"]
    assert len(reward["step"]) <= POINTS and reward["step"][-1] == 40 and reward["step"][0] == 2
    first = [sum(step.reward or 0 for step in run[:2]) / 2 for run in (steps(40), steps(40, shift=1.0))]
    assert reward["low"][0] == pytest.approx(min(first), rel=5e-3)
    assert reward["mean"][0] == pytest.approx(sum(first) / 2, rel=5e-3)
    assert found["kl"]["step"] == [2, 6, 12, 16, 22, 26, 32, 36]
    assert "low" not in curves([steps()])["reward"] and curves([[]]) == {}


def test_a_scorer_frontier_is_marked_without_the_oracle() -> None:
    named = {"dear": (9, 0.5), "good": (4, 0.5), "cheap": (1, 0.3), "beaten": (2, 0.3), "oracle": (1, 0.9)}
    points = [{"scorer": v, "tokens": t, "accuracy": a, "outcomes": "01"} for v, (t, a) in named.items()]
    found = front.frontier([*points, {"scorer": "broken", "tokens": None, "accuracy": 0.1}])
    assert [point["scorer"] for point in found if point["front"]] == ["good", "cheap"]
    assert len(found) == 5 and "outcomes" not in found[0]


def test_statements_say_who_is_tied_and_who_is_apart() -> None:
    rows = [{"method": name, "rank_group": group, "status": "ranked"} for name, group in
            (("x", "a"), ("y", "ab"), ("z", "b"), ("base", "c"))]  # fmt: skip
    assert standing.statements(rows) == [  # type: ignore[arg-type]
        ("Not significantly different", "y from x, the most accurate."),
        ("Significantly different", "z is worse than x, beyond noise."),
        ("Against the base", "Every ranked method is better than the untrained base, beyond noise."),
    ]
    unranked = [{"method": "x", "rank_group": None, "status": "unranked: 1 seed, 5 are needed"}]
    assert [heading for heading, _ in standing.statements(unranked)] == ["Not ranked", "Unranked"]  # type: ignore[arg-type]


def named(letters: dict[str, str]) -> list[dict[str, object]]:
    return [{"method": name, "rank_group": group, "status": "ranked"} for name, group in letters.items()]


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ({"x": "a", "y": "ab", "z": "b", "base": "c"}, "x is better than 1 of the other 2, beyond noise. 3 of 3 are"),
        (
            {"x": "ab", "y": "a", "z": "b", "base": "c"},
            "3 methods: none is significantly different from x, the most accurate.",
        ),
        (
            {"x": "a", "y": "ab", "base": "b"},
            "2 methods: no two are significantly different, so their order is no ranking.",
        ),
        ({"x": "a", "base": "b", "y": "c"}, "1 of 2 is better than the untrained base."),
        ({"x": "a", "base": "a"}, "One method. 0 of 1 are better than the untrained base."),
        ({"base": "a"}, "No method is ranked here."),
    ],
)
def test_a_headline_says_what_the_ranking_comes_to(letters: dict[str, str], said: str) -> None:
    assert said in standing.headline(named(letters))  # type: ignore[arg-type]


def test_of_many_methods_the_few_that_are_left_out_are_named() -> None:
    letters = {f"m{place}": "a" for place in range(6)} | {"last": "b"}
    assert standing.statements(named(letters))[:2] == [  # type: ignore[arg-type]
        ("Not significantly different", "All 6 other methods but last from m0, the most accurate."),
        ("Significantly different", "last is worse than m0, beyond noise."),
    ]
    edges = [row | {"lr_edge": "highest rate tried"} for row in named({"x": "a", "y": "a"})]
    assert standing.statements(edges)[-1] == (  # type: ignore[arg-type]
        "Rate at an edge",
        "x and y: highest rate tried in the trials that chose the rate.",
    )


def test_comparisons_are_chosen_by_base_and_task_and_then_by_what_is_compared() -> None:
    made = [
        *(("t.1", "x", "Rewards", 1, 3), ("t.2", "x", "Methods", 3, 3)),
        *(("u.3", "y", "Methods", 5, 2), ("u.4", "y", "Methods", 5, 3)),
    ]
    keys = ("name", "where", "kind", "ranked", "schema")
    found = [dict(zip(keys, each, strict=True)) | {"called": each[0].upper()} for each in made]
    assert grouped(found) == {
        "y": {"Methods": [("u.4", "U.4"), ("u.3", "U.3")]},
        "x": {"Methods": [("t.2", "T.2")], "Rewards": [("t.1", "T.1")]},
    }


@pytest.mark.parametrize(
    ("changes", "ranked", "kind"),
    [
        ({}, 3, "Methods"),
        ({}, 2, "Settings"),
        ({"reward": "random"}, 3, "Rewards"),
        ({"signal": "sft"}, 3, "Signals"),
        ({"signal": "sft"}, 0, "Trials and single seeds"),
    ],
)
def test_what_a_comparison_compares_follows_from_its_rows(changes: dict[str, str], ranked: int, kind: str) -> None:
    settings = {"comparison": "b.t.0123", "base": "b", "task": "chain", "signal": "rlvr", "reward": "exact", "steps": 8}
    settings |= {"result_schema": 3}
    rows = [settings | changes | {"method": f"m{i}", "rank_group": "a" if i < ranked else None} for i in range(4)]
    found = choice(rows, [])  # type: ignore[arg-type]
    assert (found.where, found.kind, found.ranked, found.schema) == ("b, chain", kind, ranked, 3)


def test_a_method_survives_over_all_its_rates_and_shows_the_trials_that_chose_its_rate() -> None:
    tried = [variant(record("lora", seed), rate=1e-3 * (seed + 1), method_name=f"lora@{seed}") for seed in range(3)]
    tried[2] = collapsed(tried[2], 20)
    trials = [variant(one, "trials.000001", one.keys.learning_rate) for one in tried]
    tuning = {"protocol": "0" * 12, "trials": 3, "sampler": "qmc", "cells": [[one.cell_id] for one in trials]}
    tuning |= {"space": {}, "validation": [None] * 3, "ranking": [0], "tied": 0}
    final = [variant(record("lora", seed), "final.000002", tuning=tuning) for seed in range(2)]
    by_name = {found["name"]: found for found in document(material_of([*trials, *final], []))[0]["comparisons"]}
    (curve,) = by_name["trials.000001"]["sound"]
    assert (curve["method"], curve["runs"]) == ("lora", 3) and curve["share"] == pytest.approx([1, 2 / 3, 2 / 3])
    assert by_name["final.000002"]["sound"] == [] and by_name["final.000002"]["trials"] == ["trials.000001"]
    assert by_name["trials.000001"]["trials"] == []


def test_counterparts_across_comparisons_are_found(results: Path) -> None:
    material = gather(results)
    rewards = {(point["method"], point["reward"]) for point in contrasts.contrast(material, "reward")}
    assert rewards == {(method, reward) for method in ("lora", "full") for reward in ("exact", "random")}
    assert {point["signal"] for point in contrasts.contrast(material, "signal")} == {"rlvr", "sft"}
    transfer = contrasts.transfer(material)
    assert transfer["tasks"] == ["svamp"] and {row["method"] for row in transfer["rows"]} == {"lora", "full"}


def test_a_sweep_is_one_curve_over_its_rates(results: Path) -> None:
    rows = [row for row in gather(results).rows if str(row["method"]).startswith("lora@")]
    (curve,) = rates.sensitivity(rows)
    assert curve["split"] == "validation" and [point["lr"] for point in curve["points"]] == [1e-4, 3e-4, 1e-3, 3e-3]
    assert rates.sensitivity(rows[:1]) == []


def test_geometry_is_averaged_over_seeds_and_groups_are_kept() -> None:
    runs = [one for one in everything() if one.keys.method_name == "full" and one.keys.reward["name"] == "exact"]
    assert figures(runs) == {"relative_norm": 0.01, "sparsity_bf16": 0.28, "sparsity_bf16 over null": 0.56}
    tables = gates.grouped(runs)
    assert set(tables) == {"by_type", "by_layer"}
    assert tables["by_type"]["sparsity_bf16"]["k_proj"] == pytest.approx(0.4 * 0.6)
    assert tables["by_type"]["sparsity_bf16 over null"]["k_proj"] == pytest.approx(0.8)
    assert tables["by_layer"]["sparsity_bf16"] == pytest.approx({"0": 0.36, "1": 0.32, "2": 0.28, "3": 0.24})
    assert figures([record("lora", 0, status="failed")]) == {}


def test_survival_falls_where_runs_collapse() -> None:
    runs = [one for one in everything() if one.keys.method_name == "pissa"]
    curve = sound_share(runs)
    assert curve is not None
    assert curve["step"] == [0, 10, 20, 40] and curve["share"] == pytest.approx([1, 4 / 5, 3 / 5, 3 / 5])
    assert sound_share(runs[:1]) is None


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path: Path) -> None:
    page, problems = render(gather(tmp_path))
    assert problems == () and "There are no run records in this folder yet." in page


def test_committed_records_all_stand_behind_their_rows(committed: Material) -> None:
    rows = [row for row in committed.rows if row["method"] != "base"]
    assert len(rows) == len(committed.runs)
    assert sum(map(len, committed.runs.values())) == len(store.load_all(RESULTS)[0])
