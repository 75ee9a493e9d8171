"""`rlvr-bench methods list | show | check | cost` as a user types them."""

import csv
import dataclasses
import io
import json
import subprocess
import sys

import pytest

import rlvr_bench.models.method_costs
from rlvr_bench.cli.entry import main
from rlvr_bench.methods import create, names
from rlvr_bench.methods.conformance import Suite


@pytest.fixture
def typed(monkeypatch, capsys):
    """Return a function that runs a command line and gives (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlvr-bench", "methods", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_list_tells_size_and_kind_of_every_method_without_torch():
    code = (
        "import sys; from rlvr_bench.models.method_sizes import listing;"
        "rows = listing('organism-steps', attach=False);"
        "print(len(rows), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(names())), "False"]


def test_the_sizes_in_the_list_are_those_of_the_attached_methods(typed):
    from rlvr_bench.models.base import load
    from rlvr_bench.models.config import BaseConfig

    code, out, _ = typed("list", "--json")
    rows = {row["type"]: row for row in json.loads(out)}
    assert code == 0 and list(rows) == names()
    base = load(BaseConfig(name="organism-steps")).model
    total = base.num_parameters()
    assert rows["full"]["trainable"] == total and rows["full"]["trainable_share"] == 1
    handle = create({"type": "lora"}).attach(base, seed=0)
    assert rows["lora"]["trainable"] == handle.trainable_parameters
    assert rows["lora"]["trainable_share"] == handle.trainable_parameters / total
    assert rows["peft"]["trainable"] is None and rows["peft"]["mergeable"] is None
    assert rows["pissa"]["changes_base"] and not rows["lora"]["changes_base"]


def test_the_list_is_one_line_of_facts_per_method(typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = typed("list")
    header = ["type", "family", "dials", "trainable", "share", "merged", "start", "source"]
    assert code == 0 and out.splitlines()[0].split() == header
    lora = next(line for line in out.splitlines() if line.startswith("lora "))
    assert lora.split()[:5] == ["lora", "low-rank", "rank", "87,552", "25.6"] and lora.split()[6:8] == ["yes", "base"]


def test_aliases_are_listed_apart_and_shown(typed):
    _, out, _ = typed("list")
    types, _, aliases = out.partition("Aliases")
    assert "mask-safe" not in types
    assert next(line.split() for line in aliases.splitlines() if line.startswith("lora-rank-8 ")) == [
        "lora-rank-8",
        "lora",
        "rank",
        "=",
        "8",
    ]
    code, out, _ = typed("show", "mask-safe")
    assert code == 0 and out.startswith('type: mask\nsettings: select = "safe"\n')


def test_show_gives_the_formula_the_dial_and_every_key_with_its_reason(typed):
    code, out, _ = typed("show", "lora")
    assert code == 0
    for words in (
        "formula: W = W0 + (alpha / rank) B A",
        "params turns: rank",
        "learning rates: 1e-06 to 0.01",
        "rslora",
    ):
        assert words in out
    code, out, err = typed("show", "lroa")
    assert (code, out) == (2, "") and "did you mean 'lora'" in err


def test_check_prints_a_line_per_check_and_exits_by_what_it_found(typed, monkeypatch):
    code, out, _ = typed("check", "full", "--set", "train=linear")
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("full (train = 'linear') (")
    assert [line[8:].partition(":")[0] for line in lines[1:]] == list(Suite.names)
    assert all(line.startswith(("ok ", "skipped ")) for line in lines[1:])

    from rlvr_bench.methods.full.full import Full

    monkeypatch.setattr(Full, "depends_on_seed", True)
    code, out, _ = typed("check", "full", "--set", "train=linear", "--json")
    (document,) = json.loads(out)
    failed = [check for check in document["checks"] if check["status"] == "failed"]
    assert code == 1 and not document["passed"] and document["settings"] == {"train": "linear", "type": "full"}
    assert [check["check"] for check in failed] == ["the seed decides the start"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the methods, with --set if you like, or give --all"),
        (("full", "--all"), "name the methods"),
        (("fulll",), "did you mean 'full'"),
        (("peft",), 'the key "peft_type" is missing; add it (Name of the PEFT type'),
        (("lora", "--set", "rank=0"), "rank = 0"),
    ],
)
def test_check_refuses_wrong_input_in_one_line(typed, words, message):
    code, out, err = typed("check", *words)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_cost_is_csv_with_a_line_per_method(typed):
    code, out, err = typed("cost", "svf", "--pairs", "1")
    (row,) = csv.DictReader(io.StringIO(out))
    assert code == 0
    assert (row["base"], row["method"], row["trainable"], row["optimizer_values"]) == (
        "organism-steps",
        "svf",
        "2016",
        "4032",
    )
    assert float(row["step_ratio"]) > 0 and row["optimizer_share"] == "0.0059"
    code, out, err = typed(
        "cost", "mask", "--pairs", "1", "--rows", "4", "--set", "select='random'", "--set", "density=0.01"
    )
    (row,) = csv.DictReader(io.StringIO(out))
    assert json.loads(row["settings"]) == {"select": "random", "density": 0.01}
    assert float(row["optimizer_share"]) < 0.012
    code, out, err = typed("cost", "peft", "--pairs", "1")
    assert (code, out) == (1, "") and "not measured: peft has no defaults" in err


@pytest.mark.parametrize(
    ("kind", "ratio", "why"),
    [("lora", 1.6, ""), ("lora", 1.7, "unexplained"), ("c3a", 1.7, "Inputs and outputs go through complex FFTs")],
)
def test_a_slow_step_has_a_reason_or_fails(typed, monkeypatch, kind, ratio, why):
    real = rlvr_bench.models.method_costs.measure
    monkeypatch.setattr(
        rlvr_bench.models.method_costs, "measure", lambda *given: dataclasses.replace(real(*given), step_ratio=ratio)
    )
    code, out, err = typed("cost", kind, "--pairs", "1", "--rows", "2")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["why"].startswith(why) and bool(row["why"]) == bool(why)
    assert code == (why == "unexplained") and ("no reason is known" in err) == bool(code)
