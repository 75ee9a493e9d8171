"""One row of the leaderboard: what the records of one method in one comparison say together.

Ranking, which needs the other rows, is `leaderboard`.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlvr_bench.leaderboard.columns import Row, interval_columns
from rlvr_bench.leaderboard.tuning import protocol_hash, reasons_against, spread_rates, tuning_column
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import ModelRole, RunRecord, Score, ScoredSplit
from rlvr_bench.stats.broken import broken_share
from rlvr_bench.stats.looks import LOOKS, MIN_SOUND, Runs, reached_look
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.tasks import rewards

BASE_METHOD = "base"
MIN_PROBLEMS = 2
"""Fewer problems show no spread, so nothing can be said of others."""


@dataclass(frozen=True)
class Entry:
    """A method in one comparison over all its seeds; records are sorted by seed.

    `protocol` is the hash of the protocol that the comparison was tuned by, if it was.
    """

    records: tuple[RunRecord, ...]
    protocol: str | None = None

    @property
    def first(self) -> RunRecord:
        """The record that stands for what all have in common."""
        return self.records[0]

    @property
    def comparison(self) -> str:
        """Name of the comparison."""
        return self.first.comparison

    @property
    def method(self) -> str:
        """Name of the method in its experiment."""
        return self.first.keys.method_name

    @cached_property
    def key(self) -> str:
        """Names this entry among all: comparison, method and all of its settings."""
        return entry_key(self.first)

    @cached_property
    def trained(self) -> tuple[RunRecord, ...]:
        """Records of runs that ended with a model, good or bad."""
        return tuple(record for record in self.records if record.status in ("done", "collapsed"))

    @cached_property
    def scored(self) -> tuple[RunRecord, ...]:
        """Records with a test score of the tuned model and of the base."""
        return tuple(r for r in self.records if test_score(r, "tuned") and test_score(r, "base"))

    @cached_property
    def counted(self) -> tuple[RunRecord, ...]:
        """Records that say how a run of this method goes: all but the invalid ones, which are of another method."""
        return tuple(record for record in self.records if record.status != "invalid")

    @cached_property
    def sound(self) -> NDArray[np.bool_]:
        """Whether each scored run is sound, shape (scored,): it did not collapse."""
        return np.array([record.status == "done" for record in self.scored], dtype=np.bool_)

    @cached_property
    def runs(self) -> Runs:
        """The runs as a comparison takes them, in the order of their seeds."""
        scored = {id(record) for record in self.scored}  # the same objects; to compare their content takes long
        sound = [place for place, one in enumerate(self.counted) if one.status == "done" and id(one) in scored]
        return Runs(self.outcomes("tuned")[self.sound], tuple(sound), len(self.counted))

    def scores(self, role: ModelRole = "tuned", split: ScoredSplit = "test") -> list[Score]:
        """Return the trained task's scores in order of seeds; on the test split those of the scored records."""
        return self._scores(self.trained, role, split) if split != "test" else self._test_scores[role]

    @cached_property
    def _test_scores(self) -> dict[ModelRole, list[Score]]:
        """The scores on the test split by model: most columns are made of them."""
        roles: tuple[ModelRole, ...] = ("base", "tuned")
        return {role: self._scores(self.scored, role, "test") for role in roles}

    def _scores(self, records: Iterable[RunRecord], role: ModelRole, split: ScoredSplit) -> list[Score]:
        scores = (record.score(role, record.keys.task["name"], split) for record in records)
        return [score for score in scores if score is not None]

    def outcomes(self, role: ModelRole) -> Floats:
        """Return greedy outcomes on the test split, 0 or 1, shape (scored seeds, problems)."""
        return outcome_matrix(self.scores(role))

    @cached_property
    def problem_sets(self) -> set[str]:
        """The problem sets that base and tuned model were scored on: one, if they can be compared."""
        return {score.problem_set for role in ("base", "tuned") for score in self.scores(role)}

    @property
    def backends(self) -> list[str]:
        """What sampled and what scored the completions in training, by seed: the same where rows are compared."""
        runs = (record.rollout or {} for record in self.scored)
        return [f"{run.get('backend')} rollouts and {run.get('update_backend')} updates" for run in runs]

    def reasons_against_ranking(self) -> list[str]:
        """Return why this row cannot be ranked, nothing if it can."""
        reasons = []
        seeds = Counter(record.keys.seed for record in self.records)
        reasons += [f"seed {seed} has {count} records" for seed, count in seeds.items() if count > 1]
        reasons += [*_by_cause(self.records, "invalid"), *_by_cause(self.records, "stopped")]
        if self.trained and not self.scored:
            return [*reasons, "scored on the validation split only"]
        reasons += reasons_against(self.records, self.protocol)
        scored = {id(record) for record in self.scored}  # the same objects; to compare their content takes long
        unscored = [record for record in self.trained if id(record) not in scored]
        reasons += [f"seed {record.keys.seed} has no greedy score on the test split" for record in unscored]
        reasons += self._too_few()
        if len(self.problem_sets) > 1:
            reasons.append("its seeds or its base were scored on different problems")
        if any(score.n < MIN_PROBLEMS for score in self.scores()):
            reasons.append(f"scored on 1 problem, {MIN_PROBLEMS} are needed")
        return reasons

    def _too_few(self) -> list[str]:
        """Return what the first look misses: runs, or sound ones among them."""
        count, look = len(self.counted), reached_look(len(self.counted))
        if look is None:
            return [f"{count} seed{'s' * (count != 1)}, {LOOKS[0]} are needed"]
        sound = sum(record.status == "done" for record in self.counted[:look])
        if sound < MIN_SOUND:
            return [f"{sound} of its first {look} runs {'is' if sound == 1 else 'are'} sound, {MIN_SOUND} are needed"]
        return []

    def failures(self) -> list[str]:
        """Return how many seeds failed, by cause."""
        return _by_cause(self.records, "failed")

    def unused_budgets(self) -> list[str]:
        """Return how many seeds ended before what they are matched by was used: they are not equal to the others."""
        ledgers = [record.ledger for record in self.trained if record.ledger and record.ledger.match != "steps"]
        short = [ledger for ledger in ledgers if not ledger.used_up]
        amount = _budget(self.first.keys.signal)
        return [f"{len(short)} of {len(ledgers)} seeds ended before their budget of {amount} was used"] if short else []


def entry_key(record: RunRecord) -> str:
    """Return what the records of one row have in common: they differ in nothing but their seeds.

    A protocol may spread its final seeds over rates that are alike on validation: these are one row.
    """
    keys = record.keys
    return strict_json([record.comparison, keys.method_name, row_rate(record), keys.method, protocol_hash(record)])


def row_rate(record: RunRecord) -> float | None:
    """Return the learning rate that names a record's row: its own, or the first of a spread."""
    spread = spread_rates(record)
    return spread[0] if spread else record.keys.learning_rate


def test_score(record: RunRecord, role: ModelRole) -> Score | None:
    """Return the score that counts: the trained task's test split, if it was scored greedily."""
    score = record.score(role, record.keys.task["name"], "test")
    return score if score is not None and score.greedy is not None else None


def outcome_matrix(scores: Sequence[Score]) -> Floats:
    """Return outcomes as 0 and 1, shape (scores, problems)."""
    digits = [np.frombuffer(score.greedy_outcomes.encode(), dtype=np.uint8) for score in scores]
    return np.array(digits, dtype=np.float64) - ord("0")


def setting(record: RunRecord) -> Row:
    """Return the columns that say what a comparison is about."""
    keys = record.keys
    batches, batch = keys.signal.get("steps"), _batch_size(keys.signal)
    return {
        "comparison": record.comparison,
        "base": str(keys.base.get("label") or keys.base["name"]),
        "task": str(keys.task["name"]),
        "signal": str(keys.signal["type"]),
        "reward": rewards.phrase(keys.reward),
        "steps": batches,
        "rollouts": None if batches is None or batch is None or keys.signal.get("budget") else batches * batch,
        "match": _budget(keys.signal),
        "result_schema": record.cell.get("result_schema"),
    }


def measurements(entry: Entry) -> Row:
    """Return the columns that follow from this row's records alone; means are over scored seeds."""
    tuned, base = entry.scores(), entry.scores("base")
    accuracies = [score.greedy for score in tuned if score.greedy is not None]
    thinking = [record.measurement("thinking") for record in entry.scored]
    return (
        setting(entry.first)
        | sampled(tuned)
        | _method(entry.first, entry.trained)
        | _training(entry.trained)
        | {
            "method": entry.method,
            "tuning": tuning_column(entry.first),
            "seeds": len(entry.scored or entry.trained),
            "collapsed": sum(record.status == "collapsed" for record in entry.records),
            "failed": sum(record.status == "failed" for record in entry.records),
            "look": reached_look(len(entry.counted)),
            **_broken(entry),
            "stable_share": sum(record.status == "done" for record in entry.records) / len(entry.records),
            "accuracy_worst_seed": min(accuracies, default=None),
            "accuracy_validation": mean(score.greedy for score in entry.scores(split="validation")),
            "base_accuracy": mean(score.greedy for score in base),
            "transfer": _transfer(entry),
            "think_full_vote": mean(_number(votes, "full_vote") for votes in thinking),
            "think_tenth_tokens": mean(_number(votes, "tenth_tokens") for votes in thinking),
            "seed_list": " ".join(str(record.keys.seed) for record in entry.records),
            "cells": _cells_hash(entry.records),
        }
    )


def _broken(entry: Entry) -> Row:
    broken = sum(record.status in ("failed", "collapsed", "stopped") for record in entry.counted)
    share = broken_share(broken, len(entry.counted)) if entry.counted else None
    return interval_columns("broken", share)


def sampled(scores: Sequence[Score]) -> Row:
    """Return the columns that one model's scores give: sampling metrics and the shares beside an accuracy."""
    row: Row = {f"pass_{k}": mean(score.pass_k.get(str(k)) for score in scores) for k in (1, 2, 4, 8, 16)}
    for name in ("avg_k", "maj_k", "truncated", "unparsed", "verifier_errors", "mean_length"):
        row[name] = mean(getattr(score, name) for score in scores)
    return row | {"problems": scores[0].n if scores else None, "samples": (scores[0].k or None) if scores else None}


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the defined values, None if there is none."""
    defined = [value for value in values if value is not None]
    return fsum(defined) / len(defined) if defined else None


def _method(record: RunRecord, scored: Sequence[RunRecord]) -> Row:
    trainable = mean(_number(r.attestation, "trainable_parameters") for r in scored)
    total = mean(_number(r.attestation, "total_parameters") for r in scored)
    backends = sorted({str(record.rollout["backend"]) for record in scored if record.rollout})
    return {
        "lr": row_rate(record),
        "method_config": strict_json(record.keys.method),
        "trainable_params": None if trainable is None else round(trainable),
        "trainable_share": trainable / total if trainable is not None and total else None,
        "rollout_backend": " ".join(backends) or None,
    }


def _training(scored: Sequence[RunRecord]) -> Row:
    def stability(read: Callable[[Any], float | None]) -> float | None:
        return mean(read(record.stability) for record in scored if record.stability is not None)

    def geometry(name: str) -> float | None:
        return mean(_number(record.measurement("geometry"), name) for record in scored)

    peaks = [r.cost.peak_memory_bytes for r in scored if r.cost.peak_memory_bytes is not None]
    return {
        "update_sparsity_bf16": geometry("sparsity_bf16"),
        "spectral_shift": geometry("spectral_shift"),
        "principal_angle_max_deg": geometry("principal_angle_max_deg"),
        "kl": stability(lambda s: s.kl_last),
        "entropy_left": stability(lambda s: s.entropy_left),
        "gradient_spikes": stability(lambda s: s.gradient_spikes),
        "reward_last": stability(lambda s: s.reward_last),
        "reward_peak": stability(lambda s: s.reward_peak),
        "reward_auc": stability(lambda s: s.reward_auc),
        "tokens": mean(record.cost.tokens for record in scored),
        "flops": mean(record.ledger.flops for record in scored if record.ledger),
        "labels": mean(record.ledger.labels for record in scored if record.ledger),
        "seconds": mean(record.cost.total_seconds for record in scored),
        "peak_memory_mb": max(peaks) / 1e6 if peaks else None,
    }


def _transfer(entry: Entry) -> str | None:
    """Return accuracy and gain on the tasks that were scored and not trained on."""
    own = entry.first.keys.task["name"]
    names = sorted({name for record in entry.scored for name in record.accuracy.get("tuned", {}) if name != own})
    by_task = {}
    for name in names:
        pairs = [(record.score("tuned", name, "test"), record.score("base", name, "test")) for record in entry.scored]
        accuracy = mean(tuned.greedy for tuned, _ in pairs if tuned)
        base = mean(base.greedy for _, base in pairs if base)
        if accuracy is not None:
            gain = None if base is None else round(accuracy - base, 4) + 0.0
            by_task[name] = {"accuracy": round(accuracy, 4), "gain": gain}
    return strict_json(by_task) if by_task else None


def _by_cause(records: Sequence[RunRecord], status: str) -> list[str]:
    causes = Counter(record.cause.type for record in records if record.status == status and record.cause)
    return [f"{count} of {len(records)} seeds {status} ({kind})" for kind, count in sorted(causes.items())]


def _cells_hash(records: Sequence[RunRecord]) -> str:
    return hashlib.sha256(" ".join(sorted(record.cell_id for record in records)).encode()).hexdigest()[:12]


def _number(values: dict[str, Any] | None, name: str) -> float | None:
    value = (values or {}).get(name)
    return None if value is None else float(value)


def _budget(signal: dict[str, Any]) -> str | None:
    """Return what the budget of a signal counts, and how much of it."""
    match = signal.get("match", "steps")
    amount = signal.get("steps") if match == "steps" else signal.get("budget")
    return None if amount is None else f"{match} {amount:g}"


def _batch_size(signal: dict[str, Any]) -> float | None:
    """Return completions per optimizer step."""
    prompts, group = signal.get("prompts_per_batch"), signal.get("group_size")
    return None if prompts is None or group is None else prompts * group / signal.get("updates_per_batch", 1)
