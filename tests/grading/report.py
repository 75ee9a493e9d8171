"""Verdicts beside labels: false negatives and positives of this package's verifiers and of math-verify called directly.

Beside the labelled completions stand synthetic ones: gold answers written otherwise, and spoiled (`synthetic`).

Reads `completions/labelled.jsonl` (`set`, `question`, `answer`, `completion`, `correct`) and `math500/test.jsonl` below
the folder of --data-dir or RLVR_BENCH_DATA. Labels are other graders' and wrong in places: every disagreement is
printed, to be looked at by hand.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_later
from clustered import exact_share, share
from math_verify import parse, verify
from model_written import completions
from synthetic import PERTURBATIONS, REWRITINGS, written

from rlvr_bench.tasks.perturbations import changed
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.forms import Number
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.normal_form import normal_form

EXACT, LATEX = ExactVerifier(), LatexVerifier(seconds=10)
Grader = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Graded:
    """A labelled row with the verdicts of the graders by name."""

    row: dict[str, Any]
    kind: str
    verdicts: dict[str, bool]


def ours(row: dict[str, Any]) -> bool:
    """Numbers of GSM8K exactly, everything else as LaTeX."""
    verifier = EXACT if row["set"] == "gsm8k" else LATEX
    return verifier.verify(row["completion"], row["answer"]).correct


def math_verify_directly(row: dict[str, Any]) -> bool:
    """As its documentation says: both sides parsed with the defaults."""
    return bool(verify(parse(f"${row['answer']}$"), parse(row["completion"])))


GRADERS: dict[str, Grader] = {"ours": ours, "math-verify": math_verify_directly}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def kind_of(row: dict[str, Any]) -> str:
    """The set and the kind of its gold answer."""
    form = normal_form(row["answer"])
    exact = isinstance(form, Number) and form.value.denominator == 1
    return f"{row['set']} {'integer' if exact else type(form).__name__.lower()}"


def labelled(path: Path) -> None:
    """Print the table over labelled completions, and every disagreement of ours."""
    graded = [Graded(row, kind_of(row), {}) for row in rows_of(path)]
    for name, grader in GRADERS.items():
        started = time.perf_counter()
        for one in graded:
            one.verdicts[name] = grader(one.row)
        print(f"{name}: {len(graded)} verdicts in {time.perf_counter() - started:.1f} s")
    for kind in [*sorted({one.row["set"] for one in graded}), *sorted({one.kind for one in graded})]:
        members = [one for one in graded if kind in (one.kind, one.row["set"])]
        for name in GRADERS:
            print(f"{kind:<22} {name:<12} {_errors(members, name)}")
    for one in graded:
        if one.verdicts["ours"] != one.row["correct"]:
            label = "correct" if one.row["correct"] else "wrong"
            print(f"label {label}, gold {one.row['answer']!r}: ...{one.row['completion'][-160:]!r}")


def _errors(members: list[Graded], name: str) -> str:
    texts = []
    for label, what in ((True, "false negatives"), (False, "false positives")):
        chosen = [one for one in members if one.row["correct"] is label]
        wrong = [one.verdicts[name] is not label for one in chosen]
        texts.append(f"{what} {share(wrong, [one.row['question'] for one in chosen])}")
    return "; ".join(f"{text:<52}" for text in texts)


FORMS = (r"\boxed{{{}}}", "The answer is ${}$.", "The answer is {}.", "**Answer:** {}", "so we get $ {} $")


def golds(path: Path) -> None:
    """Print how many gold answers each form of completion carries to a "correct", and how many changed ones."""
    answers = [row["answer"] for row in rows_of(path)]
    for form in FORMS:
        refused = [answer for answer in answers if not LATEX.verify(form.format(answer), answer).correct]
        accepted = [answer for answer in answers if LATEX.verify(form.format(changed(answer)), answer).correct]
        print(f"{form:<24} refused {len(refused)} of {len(answers)} golds {refused[:9]}")
        print(f"{'':<24} accepted {len(accepted)} changed golds {accepted[:9]}")


def synthetic(path: Path) -> None:
    """Print how many rewritten golds are refused and how many spoiled ones accepted, by ours and by math-verify.

    What is written of one gold is not independent: the share of golds with any fault stands beside.
    """
    answers = [row["answer"] for row in rows_of(path)]
    for what, changes, right in (("rewritten", REWRITINGS, True), ("spoiled", PERTURBATIONS, False)):
        rows = [
            {"set": "math", "answer": answer, "completion": _sentence(text), "how": how}
            for answer in answers
            for how, text in written(answer, changes).items()
        ]
        for name, grader in GRADERS.items():
            faults = [row for row in rows if grader(row) is not right]
            golds_at_fault = len({row["answer"] for row in faults})
            print(
                f"synthetic, {what:<10} {name:<12} faults {exact_share(len(faults), len(rows))};"
                f" golds with any {exact_share(golds_at_fault, len(set(answers)))}"
            )
            print(f"  by kind: {dict(Counter(row['how'] for row in faults).most_common())}")
            if name == "ours":
                for row in faults:
                    print(f"  {row['how']}, gold {row['answer']!r}: {row['completion']!r}")


def model_written(path: Path) -> None:
    """Print faults over gold answers and mistakes as language models write them (`model_written`), a problem a cluster.

    Of math-verify every tenth problem: it takes as long for these as ours for all of them.
    """
    problems = [(row["problem"], row["answer"]) for row in rows_of(path)]
    later = [(problem, gold, text) for problem, gold in problems for text in model_later.completions(gold).values()]
    refused = [not ours({"set": "math", "answer": gold, "completion": text}) for _, gold, text in later]
    print(f"as models write, later forms, ours: false negatives {share(refused, [problem for problem, *_ in later])}")
    for name, grader, some in (("ours", ours, problems), ("math-verify", math_verify_directly, problems[::10])):
        rows = list(completions(some))
        for label, what in ((True, "false negatives"), (False, "false positives")):
            members = [row for row in rows if row["correct"] is label]
            wrong = [grader(row) is not label for row in members]
            print(f"as models write, {name:<12} {what} {share(wrong, [row['question'] for row in members])}")
            faults = [row for row, fault in zip(members, wrong, strict=True) if fault]
            print(f"  by kind: {dict(Counter(row['how'] for row in faults).most_common())}")
            if name == "ours":
                for row in faults[:100]:
                    print(f"  {row['how']}, gold {row['answer']!r}: {row['completion']!r}")


def _sentence(text: str) -> str:
    box = rf"\boxed{{{text}}}"
    return f"So we get {box}." if "$" in text else f"So we get ${box}$."


def main() -> None:
    """All parts, as far as there are data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("RLVR_BENCH_DATA"))
    folder = parser.parse_args().data_dir
    files = (
        [
            (folder / "completions" / "labelled.jsonl", labelled),
            (folder / "math500" / "test.jsonl", golds),
            (folder / "math500" / "test.jsonl", synthetic),
            (folder / "math500" / "test.jsonl", model_written),
        ]
        if folder
        else []
    )
    present = [(path, report) for path, report in files if path.is_file()]
    if not present:
        print("Nothing to grade: give --data-dir, or set RLVR_BENCH_DATA, to a folder with completions/labelled.jsonl.")
        sys.exit(0)
    logging.disable(logging.CRITICAL)
    for path, report in present:
        report(path)


if __name__ == "__main__":
    main()
