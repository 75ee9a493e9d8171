"""Damaged experiment files: one sentence, or a plan; never another exception."""

import tomllib
from pathlib import Path
from random import Random

import pytest
import tomli_w
from damage import damaged_values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from injection import STRIDE

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load, presets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.models.errors import ModelError
from rlvr_bench.plan.states import as_document, by_comparison
from rlvr_bench.sweep.phases import plan_phases
from rlvr_bench.sweep.protocol_trials import Selection
from rlvr_bench.tasks.errors import TaskError

REFUSALS = (ExperimentError, MethodError, ModelError, TaskError)
WRITTEN = (
    "[" * 3000 + "]" * 3000,
    "9" * 5000,
    "inf",
    "nan",
    "-inf",
    "1e308",
    "true",
    '"\\u0000"',
    '"=1+1"',
    "{a={b={}}}",
)
KEYS = (
    "signal.steps", "signal.weight_decay", "signal.kl_weight", "signal.temperature", "signal.budget", "seeds", "name",
    "bases", "task.levels", "task.train", "evaluate.samples", "evaluate.seed", "rewards", "interventions",
    "measurements", "methods.lora.rank", "methods.lora.learning_rate", "methods.lora.alpha", "protocol.trials",
    "keep_weights",
)  # fmt: skip


def _read(path: Path, changes: str = "") -> None:
    """Do what `run --dry-run` does."""
    from rlvr_bench.experiment.changes import Changes, parsed_keys

    try:
        experiment = load(str(path), Changes(keys=parsed_keys([changes])) if changes else None)
        planned = plan_phases(experiment, Selection(None, None, None, fetch=False), path.parent)
        as_document(planned.cells, 2, planned.records)
        by_comparison(planned.cells)
    except REFUSALS as refusal:
        assert "\n" not in str(refusal), refusal


@settings(
    max_examples=4000 if STRIDE else 120,
    deadline=None,
    derandomize=not STRIDE,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32))
def test_a_damaged_preset_is_planned_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = Random(seed)
    files = sorted(presets().values())
    text = (random.choice(files) if STRIDE else presets()["quick"]).read_text()
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    if random.random() < 0.7:
        try:
            content = tomli_w.dumps(damaged_values(random, tomllib.loads(text))).encode()
        except (TypeError, ValueError):  # TOML has no null
            return
    else:
        place = random.randrange(len(text))
        content = text.encode()[:place] + random.randbytes(random.randrange(6)) + text.encode()[place:]
    path.write_bytes(content)
    _read(path)


@pytest.mark.parametrize("written", WRITTEN)
def test_what_only_toml_can_say_is_planned_or_refused(written: str, tmp_path: Path) -> None:
    text = presets()["quick"].read_text()
    for number, line in enumerate(text.splitlines()):
        key, equals, _ = line.partition("=")
        if equals and not line.startswith("#"):
            lines = text.splitlines()
            lines[number] = f"{key}= {written}"
            (tmp_path / "damaged.toml").write_text("\n".join(lines))
            _read(tmp_path / "damaged.toml")
    for key in KEYS:
        _read(presets()["quick"], f"{key}={written}")


REFUSED = {
    "signal.steps=100000000000000000000": "signal.steps",
    "task.train=2147483648": "train",
    "signal.group_size=1000000000000000000": "signal.group_size",
    "signal.prompts_per_batch=1000000000000000000": "signal.prompts_per_batch",
    "evaluate.samples=1000000000000000000": "evaluate.samples",
    "signal.steps=true": "true or false, not a number",
    "signal.weight_decay=inf": "finite",
    "signal.kl_weight=inf": "finite",
    "signal.temperature=nan": "signal.temperature",
    "signal.temperature=1e-320": "signal.temperature",
    "signal.weight_decay=1e308": "infinite in float32",
    "signal.weight_decay=1e9": "signal.weight_decay",
    "signal.weight_decay=1e-320": "is 0 in float32",
    "methods.lora.alpha=1e-320": "is 0 in float32",
    'methods.pissa={type="pissa",learning_rate=1e-3,svd_iterations=1000000}': "svd_iterations",
    "measurements.curvature.prompts=9007199254740993": "prompts",
    "measurements.fused_probe.learning_rate=1e9": "learning_rate",
    "methods.lora.alpha=1e308": "lora",
    "task.seed=100000000000000000000": "beyond 64 bits",
    "methods.lora.learning_rate=1e308": "learning_rate",
    "methods.lora.rank=1000000": "rank = 1000000 is above",
    "methods.lora.rank=true": "true or false",
    'bases=[{name="organism-steps",trust_remote_code="yes"}]': "trust_remote_code",
    "seeds=[9223372036854775808]": "seeds",
    "seeds=[4294967296]": "4294967295",
    "evaluate.seed=4294967296": "evaluate.seed",
    'bases=["=cmd"]': "leading sign",
    'bases=["a\\u0000b"]': "control characters",
    f"methods.{'m' * 300}={{type='lora',learning_rate=0.1}}": "too long for a folder",
}


@pytest.mark.parametrize("change", REFUSED)
def test_a_value_that_cannot_be_is_refused_when_it_is_read(change: str) -> None:
    from rlvr_bench.experiment.changes import Changes, parsed_keys

    with pytest.raises(REFUSALS) as refusal:
        plan_phases(
            load("quick", Changes(keys=parsed_keys([change]))), Selection(None, None, None, fetch=False), Path("none")
        )
    assert REFUSED[change] in str(refusal.value), refusal.value
