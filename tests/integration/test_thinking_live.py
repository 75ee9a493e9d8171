"""Policies while traces are decoded: what they stop, what it costs, and that a planted signal is learnt."""

from dataclasses import replace

import pytest
import torch
from generate_models import mixed_prompts, tiny_model
from thinking_subjects import shaken_probe, subject

from rlvr_bench.generate.backend import create
from rlvr_bench.generate.sampling import row_keys
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.thinking import cached_decoder, measures
from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.confidence import group_score, trace_confidences
from rlvr_bench.thinking.hygiene import weighted
from rlvr_bench.thinking.live import joined, probe_reader, think
from rlvr_bench.thinking.other_scorers import HiddenStateScorer
from rlvr_bench.thinking.policies import policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.readers import ConfidenceReader, NoReader, Reader
from rlvr_bench.thinking.sampling import Asker
from rlvr_bench.thinking.settings import Reach, ScorerSettings, TraceSettings
from rlvr_bench.thinking.simulate import simulate
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import fit, score

EOS = frozenset({3, 4, 5, 6})
POLICIES = ["full", "keep:count=2,at=3", "halve:every=2", "drop:count=1,every=3", "threshold:least=0.5,every=2"]


class _Asker(Asker):
    """Asks prompts of random tokens; an answer is the last token but one, right if even."""

    def __init__(self, model: object, backend: str, limit: int = 12) -> None:
        self.model, self.settings = model, TraceSettings(max_new_tokens=limit, batch_size=24)  # type: ignore[assignment]
        self.backend, self._verdicts = create(backend), {}
        self.params = SamplingParams(max_new_tokens=limit, temperature=1.0, eos_token_ids=EOS, batch_size=24)
        self._prompts = mixed_prompts(6, 1)

    def prompts(self, problems: object) -> list[list[int]]:
        return self._prompts

    def graded(self, problems, count, prompts, completions):  # type: ignore[no-untyped-def]
        rows = zip(prompts, completions.token_ids, completions.truncated, strict=True)
        return [
            Trace(problems[row // count].id, row % count, tuple(prompt), tuple(tokens), "", str(tokens[-1] % 3),
                  tokens[-1] % 2 == 0, "correct", cut)
            for row, (prompt, tokens, cut) in enumerate(rows)
        ]  # fmt: skip


PROBLEMS = [Problem(f"q{number}", "0", "x") for number in range(6)]


@pytest.mark.parametrize("text", POLICIES)
@pytest.mark.parametrize("reach", [Reach(), Reach(layers=(0.0, 0.5), newest=3)])
def test_a_policys_tokens_are_those_of_a_recount_and_of_a_replay(text: str, reach: Reach) -> None:
    asker, size, chosen = _Asker(tiny_model(), "fast"), 4, policy(text)
    probe = shaken_probe(asker.model, 2, reach=reach)
    whole = think(asker, PROBLEMS, size, policy("full"), NoReader).traces
    run = think(asker, PROBLEMS, size, chosen, probe_reader(asker, probe))
    generated = sum(len(trace.tokens) for trace in run.traces)
    assert run.tokens == generated + 2 * sum(len(read) for read in run.readings)
    for full, trace, dropped in zip(whole, run.traces, run.dropped, strict=True):
        assert full.tokens[: len(trace.tokens)] == trace.tokens
        assert dropped or trace.tokens == full.tokens
    if text != "full":
        assert any(run.dropped) and generated < sum(len(trace.tokens) for trace in whole)
    assert all(not all(run.dropped[start : start + size]) for start in range(0, len(run.traces), size))
    replayed = simulate(chosen, whole, score(probe, whole, 1, 8, asker.model.device), size, 2)
    assert [trace.tokens for trace in replayed.traces] == [trace.tokens for trace in run.traces]
    assert (replayed.dropped, replayed.tokens) == (run.dropped, run.tokens)


@pytest.mark.parametrize("text", ["halve:every=2", "keep:count=2,at=3"])
def test_the_plain_decoder_stops_what_the_fast_one_stops(text: str) -> None:
    model = tiny_model("qwen2")
    runs = [
        think(asker, PROBLEMS, 4, policy(text), probe_reader(asker, shaken_probe(model, 2)))
        for asker in (_Asker(model, "fast"), _Asker(model, "hf"))
    ]
    fast, plain = runs
    assert [trace.tokens for trace in fast.traces] == [trace.tokens for trace in plain.traces]
    assert (fast.dropped, fast.tokens) == (plain.dropped, plain.tokens)
    assert fast.scores == pytest.approx(plain.scores, abs=1e-4)


@pytest.mark.parametrize("backend", ["fast", "hf"])
def test_traces_that_end_at_different_places_are_read_together_as_each_alone(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = _Asker(tiny_model("qwen2"), backend)
    probe = shaken_probe(asker.model, 2)
    calls: list[int] = []
    make = probe_reader(asker, probe)

    def reader() -> Reader:
        made = make()
        read = made.read
        monkeypatch.setattr(made, "read", lambda view: (calls.append(len(view.rows)), read(view))[1])
        return made

    run = think(asker, PROBLEMS, 4, policy("full"), reader)
    ends = score(probe, run.traces, 1, 8, asker.model.device)
    assert run.scores == pytest.approx([own[trace.fed] for own, trace in zip(ends, run.traces, strict=True)], abs=1e-4)
    assert [list(own) for own in run.readings] == [[trace.fed] for trace in run.traces]
    assert len({trace.fed for trace in run.traces}) > 2 and calls == [24]


def test_the_plain_decoder_gives_the_samples_of_the_reference_backend() -> None:
    model, prompts = subject("gpt-neox"), mixed_prompts(3, 2)
    params = SamplingParams(max_new_tokens=7, temperature=1.0, seed=0, eos_token_ids=EOS, batch_size=4)
    reference = create("hf").generate(model, prompts, params)

    class Bystander:
        places = 0

        def running(self, view: object, logits: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(logits), dtype=torch.bool)

        def ended(self, view: object) -> None:
            pass

    watched = cached_decoder.generate(model, prompts, params, Bystander(), row_keys(prompts, 0))
    assert watched.token_ids == reference.token_ids and watched.truncated == reference.truncated


def test_online_confidence_warms_up_and_then_stops_rows() -> None:
    asker = _Asker(tiny_model(), "fast", limit=20)
    whole = think(asker, PROBLEMS, 6, policy("full"), NoReader).traces
    run = think(asker, PROBLEMS, 6, policy("deepconf:warm_up=2,eta=0.5"), window=3)
    confidences = trace_confidences(asker.model, whole, 8)
    for start in range(0, len(whole), 6):
        warm = [group_score(confidences[row], "lowest", 3) for row in (start, start + 1)]
        least = sum(warm) / 2  # the median of two
        for row in range(start, start + 6):
            ended = whole[row].tokens
            falls = [t for t in range(2, len(ended)) if group_score(confidences[row][: t + 1], "lowest", 3) < least]
            stops = row % 6 >= 2 and bool(falls)
            assert run.dropped[row] == stops
            assert run.traces[row].tokens == (ended[: falls[0]] if stops else ended)


def test_confidence_live_is_confidence_afterwards() -> None:
    asker = _Asker(tiny_model(), "fast")
    run = think(asker, PROBLEMS, 4, policy("full"), lambda: ConfidenceReader("tail", 4))
    expected = [group_score(own, "tail", 4) for own in trace_confidences(asker.model, run.traces, 8)]
    assert run.scores == pytest.approx(expected, abs=1e-4)


def _planted(count: int, seed: int) -> list[Trace]:
    """Traces that end correct exactly where token 9 is among the first half."""
    source = torch.Generator().manual_seed(seed)
    traces = []
    for number in range(count):
        tokens = torch.randint(10, 60, (10,), generator=source).tolist()
        right = number % 2 == 0
        if right:
            tokens[number % 5] = 9
        traces.append(Trace(f"{seed}-{number}", 0, (5, 6), tuple(tokens), "", "1", right, "correct", False))
    return traces


@pytest.mark.parametrize("kind", ["probe", "separate"])
def test_a_planted_signal_is_learnt(kind: str) -> None:
    model = tiny_model(deviation=0.08)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    scorer = Probe(model, 1, 8, seed=0) if kind == "probe" else HiddenStateScorer(model, separate=True)
    settings = ScorerSettings(epochs=8, learning_rate=5e-3, labels="hard", batch_size=32)
    train, held = _planted(256, 0), _planted(128, 1)
    done = fit(scorer, weighted(train, True), _planted(64, 2), settings, model.device)
    scores = score(scorer, held, 1, 64, model.device)
    correct = [trace.correct for trace in held]
    early, late = ([own[place] for own in scores] for place in (1, 9))
    assert measures.auroc(late, correct) > 0.9 > 0.75 > measures.auroc(early, correct)
    assert done.losses[-1] < done.losses[0]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_repeated_traces_are_scored_alike_and_padding_is_not_seen() -> None:
    model = tiny_model()
    probe = shaken_probe(model, 1)
    short, long = _planted(2, 3)
    short = replace(short, tokens=short.tokens[:4])
    with torch.no_grad():
        alone = probe.logits(collate([short], [[1, 3]], model.device))
        both = probe.logits(collate([short, long], [[1, 3], [2, 5, 9]], model.device))
    assert alone[0].tolist() == pytest.approx(both[0, :2].tolist(), abs=1e-5)


def test_a_verdict_is_asked_once_for_the_same_text() -> None:
    asked: list[str] = []

    class Task:
        def verify(self, text: str, problem: Problem, truncated: bool = False) -> Verdict:
            asked.append(text)
            return Verdict(True, "1", "correct")

    asker = _Asker(tiny_model(), "fast")
    asker.task = Task()  # type: ignore[assignment]
    assert all(asker.verdict("a", PROBLEMS[0], False).correct for _ in range(3)) and asked == ["a"]


def test_a_second_round_goes_on_where_the_first_ended() -> None:
    asker, chosen = _Asker(tiny_model(), "fast"), policy("keep:count=2,at=3")
    reader = probe_reader(asker, shaken_probe(asker.model, 1))
    whole = think(asker, PROBLEMS, 6, policy("full"), NoReader)
    first, second = think(asker, PROBLEMS, 3, policy("full")), think(asker, PROBLEMS, 3, policy("full"), first=3)
    both = joined([first, second])
    assert [(trace.problem, trace.sample, trace.tokens) for trace in both.traces] == [
        (trace.problem, trace.sample, trace.tokens) for trace in whole.traces
    ]
    assert (both.size, both.tokens) == (6, first.tokens + second.tokens)
    stopped = joined([think(asker, PROBLEMS, 3, chosen, reader, first=start) for start in (0, 3)])
    assert stopped.tokens == sum(len(trace.tokens) for trace in stopped.traces) + stopped.probe_tokens
    assert any(stopped.dropped) and stopped.size == 6
