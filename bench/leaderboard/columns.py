"""The columns of `leaderboard-all.csv`: name, type, meaning. README's table is generated from here.

The first columns, up to `status`, are a contract with readers of the file; more follow. `leaderboard.csv` has those and
the few of `REVIEWED`. An undefined value is an empty cell, never 0.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from rlvr_bench.console.formats import neutral, original
from rlvr_bench.stats.estimate import Estimate

Kind = Literal["text", "json", "count", "fraction", "number"]
Value = str | int | float | None
Row = dict[str, Value]

FRACTION_DIGITS = 4
NUMBER_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `measured` marks what differs when the same cells run again (time and memory)."""

    name: str
    kind: Kind
    description: str
    measured: bool = False


COLUMNS = (
    Column("comparison", "text", "group of rows that may be ranked against each other: same base, task, signal, "
           "reward, budget and scoring; ends with a hash of all of them"),
    Column("base", "text", "base model before training"),
    Column("task", "text", "task that is trained on, and whose test split `accuracy` is measured on"),
    Column("signal", "text", "what drives learning: rlvr, sft, rft, dpo, rlhf, sft+rlvr, es"),
    Column("reward", "text", "reward that training sees; evaluation always uses the task's verifier"),
    Column("method", "text", "fine-tuning method; `base` is the untrained model"),
    Column("rank_group", "text", "tie groups by `accuracy_sound`: rows of a comparison that share a letter are not "
           "significantly different, with the chance of any false claim in the comparison held at 5 % over all looks "
           "(Holm); a is the best; empty: unranked"),
    Column("accuracy", "fraction", "greedy accuracy on the test split after the last step, mean over seeds, sound or "
           "collapsed"),
    Column("accuracy_lo", "fraction", "lower end of its 95 % interval over seeds and problems, which covers whatever "
           "share of runs breaks (one seed: problems)"),
    Column("accuracy_hi", "fraction", "upper end of its 95 % interval"),
    Column("gain", "fraction", "accuracy minus the base model's on the same problems"),
    Column("gain_lo", "fraction", "lower end of the gain's 95 % interval (paired by problem)"),
    Column("gain_hi", "fraction", "upper end of the gain's 95 % interval"),
    Column("gain_over_control", "fraction", "accuracy minus that of the strongest control: a row of the same settings "
           "whose reward never pays for being right (random, format, ...); empty without such a row"),
    Column("seeds", "count", "seeds that `accuracy` is a mean of (without a test score: `accuracy_validation`)"),
    Column("collapsed", "count", "seeds among them that collapsed in training; they count with their final accuracy"),
    Column("accuracy_sd", "fraction", "standard deviation of accuracy over seeds (n - 1); empty below 2 seeds"),
    Column("trainable_params", "count", "trainable parameters (attested)"),
    Column("trainable_share", "number", "trainable parameters / all parameters of the base model"),
    Column("lr", "number", "peak learning rate"),
    Column("update_sparsity_bf16", "fraction", "share of weights that are unchanged in bf16, mean over seeds"),
    Column("spectral_shift", "number", "normalised shift of singular values, mean over matrices and seeds"),
    Column("principal_angle_max_deg", "number", "largest principal angle in degrees, mean over seeds"),
    Column("kl", "number", "KL to the base model per token (k3) at the end of training, mean over seeds"),
    Column("tokens", "count", "tokens generated in training, mean over seeds"),
    Column("seconds", "number", "wall-clock seconds of a cell, all stages, mean over seeds", measured=True),
    Column("peak_memory_mb", "number", "largest memory of a cell's process in 10^6 bytes, largest seed", measured=True),
    Column("status", "text", "`ranked`, `reference` (the base), or `unranked:` and why; failed seeds are named"),
    Column("broken", "fraction", "P(broken): share of all runs that failed, met a collapse rule or ended below the "
           "base on validation, beyond noise"),
    Column("broken_lo", "fraction", "lower end of its 95 % interval (Clopper-Pearson)"),
    Column("broken_hi", "fraction", "upper end of its 95 % interval"),
    Column("accuracy_sound", "fraction", "greedy accuracy on the test split given that a run is sound, mean over "
           "seeds; what the letters are about"),
    Column("accuracy_sound_lo", "fraction", "lower end of its 95 % interval over seeds and problems"),
    Column("accuracy_sound_hi", "fraction", "upper end of its 95 % interval"),
    Column("look", "count", "last declared look (5, 10, 20, 40 seeds, broken ones included) that the row reaches: "
           "claims about it are made at these, or by an e-process between them; of the base, the last look of all"),
    Column("equivalent_to", "text", "rows of the comparison whose `accuracy_sound` is claimed to be within three "
           "points (two one-sided tests at the looks, the chance of any false claim held at 5 %)"),
    Column("may_be_best", "text", "`yes`: no row of the comparison is claimed to be better; the truly best row is "
           "among these in 95 % of comparisons; sharper than the letters"),
    Column("failed", "count", "seeds without a result (crash, out of memory); not in `accuracy`"),
    Column("stable_share", "fraction", "seeds that neither failed nor collapsed / all seeds"),
    Column("accuracy_worst_seed", "fraction", "lowest accuracy of a seed"),
    Column("accuracy_validation", "fraction", "greedy accuracy on the validation split, mean over seeds"),
    Column("base_accuracy", "fraction", "the base model's greedy accuracy on the test split"),
    Column("problems", "count", "problems in the test split"),
    Column("samples", "count", "sampled completions per problem (k of avg_k and maj_k)"),
    Column("avg_k", "fraction", "share of correct sampled completions on the test split, mean over seeds"),
    Column("maj_k", "fraction", "accuracy of the majority answer over the samples, mean over seeds"),
    Column("pass_1", "fraction", "unbiased pass@1 on the test split, mean over seeds"),
    Column("pass_2", "fraction", "unbiased pass@2"),
    Column("pass_4", "fraction", "unbiased pass@4"),
    Column("pass_8", "fraction", "unbiased pass@8"),
    Column("pass_16", "fraction", "unbiased pass@16"),
    Column("truncated", "fraction", "share of test completions cut off at the length limit, mean over seeds"),
    Column("unparsed", "fraction", "share of test completions without a readable answer, mean over seeds"),
    Column("verifier_errors", "fraction", "share of test completions on which the verifier failed, mean over seeds"),
    Column("mean_length", "number", "mean length of test completions in tokens, mean over seeds"),
    Column("reward_last", "number", "training reward at the end, mean over seeds"),
    Column("reward_peak", "number", "highest training reward (smoothed), mean over seeds"),
    Column("reward_auc", "number", "training reward averaged over all steps, mean over seeds"),
    Column("entropy_left", "number", "token entropy at the end / at the start of training, mean over seeds"),
    Column("gradient_spikes", "number", "steps with an outlying gradient norm, mean over seeds"),
    Column("steps", "count", "optimizer steps asked for"),
    Column("rollouts", "count", "completions sampled in training, by the settings"),
    Column("match", "text", "what the training budget counts and how much of it: steps 80, flops 5e+11, labels 512"),
    Column("flops", "number", "floating-point operations of training (dense estimate), mean over seeds"),
    Column("labels", "count", "labels bought: verdicts read, preference pairs and solutions, mean over seeds"),
    Column("transfer", "json", "greedy test accuracy on tasks that are only scored: {task: {accuracy, gain}}"),
    Column("method_config", "json", "the method's resolved settings"),
    Column("seed_list", "text", "all seeds of the row, failed ones too"),
    Column("rollout_backend", "text", "what generated the completions"),
    Column("tuning", "text", "the protocol that found the settings: trials, points, hash; empty outside a protocol, "
           "which leaves a row unranked where its comparison has one"),
    Column("cells", "text", "hash of the ids of the row's cells"),
    Column("gain_over_control_lo", "fraction", "lower end of its 95 % interval (paired by problem)"),
    Column("gain_over_control_hi", "fraction", "upper end of its 95 % interval"),
    Column("control", "json", "the reward of the strongest control"),
    Column("beats_control", "text", "`yes`: better than each control beyond noise; `no`: one of them is better beyond "
           "noise; `undecided`: neither, or too few seeds; empty without a control"),
    Column("best_prompt", "text", "prompt style under which the untrained base scores best; empty if one was tried"),
    Column("best_prompt_accuracy", "fraction", "the base's greedy accuracy under it"),
    Column("gain_over_best_prompt", "fraction", "accuracy minus the base's under its best prompt style"),
    Column("gain_over_best_prompt_lo", "fraction", "lower end of its 95 % interval (paired by problem)"),
    Column("gain_over_best_prompt_hi", "fraction", "upper end of its 95 % interval"),
    Column("detectable_difference", "fraction", "true difference by which a typical pair of the comparison's ranked "
           "rows would be significantly different at its look in 80 % of repetitions: smaller ones are mostly missed"),
    Column("improvement_over_full", "fraction", "chance that a run of this method scores higher than a run of full "
           "fine-tuning in the comparison, ties half; empty unless one ranked row is full fine-tuning"),
    Column("improvement_over_full_lo", "fraction", "lower end of its 95 % interval"),
    Column("improvement_over_full_hi", "fraction", "upper end of its 95 % interval"),
    Column("accuracy_sd_lo", "fraction", "lower end of the 95 % interval of `accuracy_sd` (seeds taken as normal)"),
    Column("accuracy_sd_hi", "number", "upper end of its 95 % interval; few seeds say little, it may exceed 1"),
    Column("accuracy_iqm", "fraction", "interquartile mean of the seeds' accuracies; below 4 seeds the mean"),
    Column("accuracy_iqm_lo", "fraction", "lower end of its 95 % interval (bootstrap over seeds and problems)"),
    Column("accuracy_iqm_hi", "fraction", "upper end of its 95 % interval"),
    Column("lr_tried", "count", "learning rates of this method in the comparison; empty if it is one"),
    Column("lr_tolerance", "number", "decades of learning rates within a point of the method's best one, between the "
           "tried ones interpolated; on validation if not all rates have a test score"),
    Column("lr_tolerance_lo", "number", "lower end of its 95 % interval"),
    Column("lr_tolerance_hi", "number", "upper end of its 95 % interval"),
    Column("lr_open", "text", "ends of the tried range (low, high) that are within a point of the best: the tolerance "
           "is at least what is said"),
    Column("sound_share", "fraction", "share of runs without a collapse up to the last step, over all seeds and rates "
           "of the method in the comparison (Kaplan-Meier)"),
    Column("sound_share_lo", "fraction", "lower end of its 95 % interval"),
    Column("sound_share_hi", "fraction", "upper end of its 95 % interval"),
    Column("collapse_median_step", "number", "step by which half of these runs have collapsed; empty if fewer did"),
    Column("think_full_vote", "fraction", "accuracy of the vote over n traces weighed by a probe of the trained model "
           "(measurement `thinking`), mean over seeds; empty for methods that do not merge"),
    Column("think_tenth_tokens", "fraction", "accuracy for a tenth of that vote's tokens, traces stopped by the probe"),
    Column("lr_edge", "text", "doubt about a rate that trials chose: it is the lowest or highest one tried, or next to "
           "one that collapsed, as fresh seeds then may; empty if it lies well inside"),
    Column("result_schema", "count", "version of what a cell's settings lead to; rows of an older one are kept as they "
           "were and never compared with newer ones"),
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}

REVIEWED = frozenset({
    "broken", "broken_lo", "broken_hi", "accuracy_sound", "accuracy_sound_lo", "accuracy_sound_hi", "look",
    "equivalent_to", "may_be_best", "beats_control", "method_config", "result_schema",
})  # fmt: skip
"""The columns after `status` that a person reviews with the results: at most twelve, forty columns in all."""

_CONTRACT = [column.name for column in COLUMNS].index("status") + 1
REVIEWED_COLUMNS = tuple(column for place, column in enumerate(COLUMNS) if place < _CONTRACT or column.name in REVIEWED)


def interval_columns(name: str, estimate: Estimate | None) -> Row:
    """Return the columns `name`, `name_lo` and `name_hi`, empty where there is no estimate."""
    if estimate is None:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    return {name: estimate.mean, f"{name}_lo": estimate.low, f"{name}_hi": estimate.high}


def rounded(column: Column, value: Value) -> Value:
    """Return the value as the file holds it, so that table, CSV and JSON agree."""
    return parse(column, text(column, value))


def text(column: Column, value: Value) -> str:
    """Return a value as the file's text: fixed digits, no negative zero, empty when undefined."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(neutral(value))
    if column.kind == "fraction":
        written = f"{value:.{FRACTION_DIGITS}f}"
        return written.removeprefix("-") if float(written) == 0 else written
    return f"{value:.{NUMBER_DIGITS}g}" if column.kind == "number" else str(round(value))


def parse(column: Column, written: str) -> Value:
    """Return the value that a text of the file stands for.

    Raises:
        ValueError: it is not a number where the column holds numbers.
    """
    if written == "":
        return None
    if column.kind in ("text", "json"):
        return original(written)
    return int(written) if column.kind == "count" else float(written)


def json_row(row: Row) -> dict[str, Any]:
    """Return a row for a JSON document: columns that hold JSON are taken apart."""
    return {
        name: json.loads(value) if isinstance(value, str) and BY_NAME[name].kind == "json" else value
        for name, value in row.items()
    }


def columns_markdown() -> str:
    """Return the column table as Markdown, one line per column."""
    lines = ["| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{column.name}` | {column.kind} | {column.description} |" for column in COLUMNS]
    return "\n".join(lines) + "\n"
