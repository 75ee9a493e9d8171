"""Every method and `think` on tiny models of every architecture: they work to the last digit, or are refused at once.

What is expected is the table of docs/architectures.md, so that the page says what was run.
"""

import copy
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path

import pytest
import torch
from architectures import ARCHITECTURES, HYBRIDS, WINDOW, tiny
from signal_runs import PROBLEMS, Lenient, settings_of
from thinking_subjects import assert_read_alike, random_traces, shaken_probe
from transformers import DynamicCache, PreTrainedModel

from rlvr_bench.generate.backend import create_for
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.methods import attestation
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.targets import resolve_targets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.models.base import folder_of, load_tokenizer
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import rewards
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.proof import refuse_unproved
from rlvr_bench.thinking.settings import ScorerSettings
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import fit
from rlvr_bench.train import proof
from rlvr_bench.train.signals import SIGNALS
from rlvr_bench.train.training_run import TrainingRun

DOCUMENT = Path(__file__).parents[2] / "docs" / "architectures.md"
METHODS = {
    "full": {"type": "full"},
    "lora": {"type": "lora", "rank": 4},
    "pissa": {"type": "pissa", "rank": 4},
    "mask": {"type": "mask", "select": "random", "density": 0.1},
    "dora": {"type": "dora", "rank": 4},
    "ia3": {"type": "ia3"},
}
STEPS = 3
MISMATCH = "sampling/sampling_logp_difference/mean"
BASE = BaseConfig(name="organism-steps")
TOKENIZER = load_tokenizer(BASE, folder_of(BASE))
PROMPTS = [prompt_ids(TOKENIZER, Lenient().prompt(problem)) for problem in PROBLEMS]


def tables() -> list[list[list[str]]]:
    """The page's tables: lines of cells."""
    found: list[list[list[str]]] = [[]]
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@cache
def documented() -> dict[str, dict[str, bool]]:
    """By architecture and column of the page whether it works."""
    (_, *columns), _, *lines = tables()[0]
    assert {cell for _, *cells in lines for cell in cells} <= {"yes", "no"}
    return {name: dict(zip(columns, (cell == "yes" for cell in cells), strict=True)) for name, *cells in lines}


def test_the_page_has_every_architecture_and_every_method() -> None:
    assert list(documented()) == list(ARCHITECTURES)
    assert {tuple(columns) for columns in documented().values()} == {(*METHODS, "think", "packed", "fast")}


@pytest.mark.parametrize("method_name", METHODS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_method_trains_one_policy_or_is_refused_before_it_is_attached(
    name: str, method_name: str, tmp_path: Path
) -> None:
    model, asked = tiny(name), method_registry.create(METHODS[method_name])
    if not documented()[name][method_name]:
        with pytest.raises(MethodError) as refused:
            resolve_targets(asked, model).refuse_misfit(model)
        assert "\n" not in str(refused.value)
        return
    reference = copy.deepcopy(model).requires_grad_(False)
    method = budget.resolve(asked, model)
    method.refuse_misfit(model)
    observed = attestation.observe(model, method)
    handle = method.attach(model, seed=1)
    attested = attestation.begin(method, handle, observed)
    with handle.rollout_weights() as plain:
        backend = create_for("auto", plain)
    run = TrainingRun(
        handle=handle,
        tokenizer=TOKENIZER,
        reference=reference,
        task=Lenient(),
        problems=PROBLEMS,
        prompt_ids=PROMPTS,
        reward=rewards.create("random"),
        backend=backend,
        settings=settings_of("rlvr", steps=STEPS, kl_weight=0.01),
        learning_rate=1e-2,
        seed=0,
        output_dir=str(tmp_path),
    )
    steps, trainer = SIGNALS["rlvr"](run, lambda step: None)
    attestation.finish(attested, handle, trainer.optimizer)
    assert attested.problems == []
    assert attested.merge_error is not None and attested.merge_error < 1e-4
    assert trainer.update_backend == ("packed" if documented()[name]["packed"] else "padded")
    _assert_one_policy(steps)


def _assert_one_policy(steps: list[StepRecord]) -> None:
    assert len(steps) == STEPS
    assert steps[0].kl is not None and abs(steps[0].kl) < 1e-6
    assert max((step.model_extra or {})[MISMATCH] for step in steps) < 1e-3
    assert max(step.grad_norm for step in steps) > 0
    assert steps[-1].kl > 1e-5, "nothing was learned"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_probe_is_trained_or_refused_before_a_trace_is_sampled(name: str) -> None:
    model = tiny(name)
    if not documented()[name]["think"]:
        with pytest.raises(ThinkingError, match=r"cannot be probed: .*; choose a decoder"):
            refuse_unproved(model)
        return
    refuse_unproved(model)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    probe = Probe(model, probe_tokens=2, rank=4, seed=0)
    traces = [
        Trace(f"{number}", 0, (3, 4, 5 + number), (6, 7, 8 + number), "", "1", number % 2 == 0, "correct", False)
        for number in range(8)
    ]
    settings = ScorerSettings(epochs=8, rank=4, probe_tokens=2, positions_per_trace=None, learning_rate=3e-2)
    learned = fit(probe, dict.fromkeys(traces[:6], 1.0), traces[6:], settings, torch.device("cpu"))
    assert learned.losses[-1] < learned.losses[0]
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_probe_says_the_same_at_once_and_token_by_token_and_generation_is_as_without_it(name: str) -> None:
    if not documented()[name]["think"]:
        pytest.skip("refused, as the page says")
    model, tokens = tiny(name), 2
    probe = shaken_probe(model, tokens)
    # The window of some is 8, which prompt, trace and probe tokens fill.
    traces = [trace for trace in random_traces(40, longest=5) if len(trace.prompt) + trace.fed + tokens <= WINDOW]
    assert len({len(trace.prompt) for trace in traces}) > 1
    with torch.no_grad():
        assert_read_alike(probe, model, traces)
        plain, probed = (_generated(model, probe if watched else None) for watched in (False, True))
    assert all(map(torch.equal, plain, probed))


def _generated(model: PreTrainedModel, probe: Probe | None) -> list[torch.Tensor]:
    """The logits of five greedy steps from three equal prompts, each cache read by the probe before it goes on."""
    cache, fed, logits = DynamicCache(), torch.tensor([[7, 8]] * 3), []
    for step in range(5):
        logits.append(model(input_ids=fed, past_key_values=cache).logits[:, -1])
        if probe is not None:
            probe.read(cache, torch.full((3, 1), 2 + step))
        fed = logits[-1].argmax(dim=-1, keepdim=True)
    return logits


def test_the_page_has_every_hybrid() -> None:
    assert [name for name, _ in tables()[1][2:]] == list(HYBRIDS)


@pytest.mark.parametrize("name", HYBRIDS)
def test_a_hybrid_is_refused_before_it_reads_anything(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, refusals = tiny(name), dict(tables()[1][2:])

    def read(*_: object, **__: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr(type(model), "forward", read)
    monkeypatch.setattr(type(model.base_model), "forward", _with_its_signature(type(model.base_model), read))
    with pytest.raises(ThinkingError) as refused:
        refuse_unproved(model)
    assert refusals[name] in str(refused.value) and "\n" not in str(refused.value)
    assert str(refused.value).endswith("; choose a decoder with a key-value cache and positions")


def _with_its_signature(kind: type, call: Callable[..., None]) -> Callable[..., None]:
    """What is called in the place of a model's forward; the arguments that it takes are what a refusal looks at."""
    return wraps(kind.forward)(call)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_page_says_what_is_packed_and_decoded_fast(name: str) -> None:
    model = tiny(name)
    packs = proof.packing_refusal(model, PROMPTS, 8) is None
    assert packs == documented()[name]["packed"]
    assert (FastBackend().refusal(model) is None) == documented()[name]["fast"]
