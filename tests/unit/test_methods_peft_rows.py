import re
import subprocess
import sys

import pytest

from rlvr_bench.methods import MethodError, create, describe, registry
from rlvr_bench.methods.base.method import LINEAR_TARGETS
from rlvr_bench.methods.peft import catalog as peft_catalog
from rlvr_bench.methods.peft.sizes import AtMost, Divides, MultipleOf
from rlvr_bench.methods.peft.table import PEFT_ROWS, ROWS

ASKED_FOR = (
    "dora lora-plus lora-fa olora orthogonal eva corda lora-ga mica adalora vera vb-lora randlora loha lokr miss "
    "delora hira gralora tinylora unilora fourierft waveft c3a ia3 ln-tuning bitfit oft boft hra road psoft osf shira "
    "super-tuning prompt-tuning prefix-tuning"
)

# Rates at which the sources, or PEFT's own comparison on MetaMathQA (method_comparison), train these methods.
PUBLISHED_RATES = {
    "lora": [1e-5, 1e-4],
    "pissa": [2e-5],
    "adalora": [5e-4, 2e-3],
    "c3a": [1e-1, 3e-1],
    "corda": [2e-5],
    "delora": [1e-3, 1e-2],
    "gralora": [2e-4],
    "hira": [4.5e-3],
    "ia3": [5e-3],
    "lokr": [3e-3],
    "lora-fa": [1e-4],
    "osf": [5e-5],
    "prefix-tuning": [5e-3],
    "prompt-tuning": [1e-3],
    "road": [1e-3],
    "shira": [3e-4],
    "tinylora": [1e-7, 2e-4, 1e-3],
    "unilora": [2e-3],
    "vb-lora": [5e-4],
}
DEFAULT_RATE = [1e-4]

BLOCK = "model.layers.{}."


def shapes(hidden: int, inner: int, keys: int, layers: int = 2) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of a Llama."""
    sizes = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
    }
    sizes |= {"self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden)}
    sizes |= {"mlp.down_proj": (hidden, inner)}
    blocks = {f"{BLOCK.format(n)}{name}.weight": shape for n in range(layers) for name, shape in sizes.items()}
    norms = {
        f"{BLOCK.format(n)}{name}_layernorm.weight": (hidden,)
        for n in range(layers)
        for name in ("input", "post_attention")
    }
    return {"model.embed_tokens.weight": (99, hidden)} | blocks | norms | {"model.norm.weight": (hidden,)}


TINY, ORGANISM, SMOLLM2 = shapes(32, 64, 16), shapes(96, 256, 96), shapes(576, 1536, 192)


def count(name: str, base=ORGANISM, **settings) -> int:
    total = 0
    for shape in create({"type": name, **settings}).expected_trainable(base).values():
        product = 1
        for size in shape:
            product *= size
        total += product
    return total


def test_every_method_that_was_asked_for_is_registered_under_one_plain_name():
    assert set(ASKED_FOR.split()) <= set(registry.BUILT_IN)
    assert {row.name for row in ROWS} == PEFT_ROWS.keys()
    assert len(ROWS) == len(PEFT_ROWS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in PEFT_ROWS)


@pytest.mark.parametrize("name", PEFT_ROWS)
def test_a_row_tells_its_source_formula_and_the_reason_of_every_default(name):
    told = describe(name)
    assert re.search(r"\d{4}\.\d{5}|openreview|datta0", told.source)
    assert "W = " in told.formula or "=" in told.formula
    assert all(field.description.endswith(".") for field in told.fields)
    low, high = told.learning_rates
    for rate in PUBLISHED_RATES.get(name, DEFAULT_RATE):
        assert low <= rate <= high


@pytest.mark.parametrize("name", PEFT_ROWS)
def test_settings_of_a_row_survive_a_dump_and_a_wrong_key_is_put_right(name):
    method = create({"type": name})
    assert create(method.model_dump(mode="json")) == method
    key = next(iter(method.row.options), "targets")
    with pytest.raises(MethodError, match=f"did you mean '{key}'"):
        create({"type": name, f"{key}s": 1})


def test_validating_every_row_imports_neither_torch_nor_peft():
    code = (
        "import sys, rlvr_bench.methods as methods\n"
        "from rlvr_bench.methods.peft.table import PEFT_ROWS\n"
        "for name in PEFT_ROWS:\n"
        "    methods.create({'type': name}), methods.describe(name)\n"
        "print('torch' in sys.modules or 'peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_type_that_the_installed_peft_lacks_is_said_in_one_sentence(monkeypatch):
    known = [kind for kind in peft_catalog.peft_types() if kind != "SUPERTUNING"]
    monkeypatch.setattr(peft_catalog, "peft_types", lambda: known)
    with pytest.raises(MethodError) as refusal:
        create({"type": "super-tuning"})
    assert str(refusal.value).startswith(
        f"method 'super-tuning': it asks for PEFT's type 'SUPERTUNING', which release {peft_catalog.release()} lacks"
    )
    assert "\n" not in str(refusal.value)


def test_a_lora_start_that_the_installed_peft_lacks_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(peft_catalog, "lora_starts", lambda: ["pissa", "olora"])
    with pytest.raises(MethodError, match=r"LoRA start 'mica', which release .* lacks; choose from pissa, olora"):
        create({"type": "mica"})
    with pytest.raises(MethodError, match=r"LoRA start 'loftq', which release .* lacks; did you mean"):
        monkeypatch.setattr(peft_catalog, "lora_starts", lambda: ["loft"])
        create({"type": "peft", "peft_type": "LORA", "init_lora_weights": "loftq"})


def test_targets_may_be_a_group_of_modules():
    assert create({"type": "lora", "targets": "attention"}).targets == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert create({"type": "dora", "targets": "mlp"}).targets == ("gate_proj", "up_proj", "down_proj")
    assert create({"type": "oft", "targets": "all-linear"}).targets == LINEAR_TARGETS
    with pytest.raises(
        MethodError, match=r"no group of modules, and no list of name endings; did you mean 'attention'"
    ):
        create({"type": "lora", "targets": "atention"})


@pytest.mark.parametrize("rank", [1, 2, 16, 64, 256])
def test_lora_takes_ranks_from_1_to_256(rank):
    assert count("lora", SMOLLM2, rank=rank) == rank * count("lora", SMOLLM2, rank=1)


def test_counts_by_hand():
    """Seven matrices a layer, two layers: out and in sum to 4 x 192 + 3 x 352, entries are 4 x 96^2 + 3 x 96 x 256."""
    assert count("dora", rank=4) == 2 * (4 * (4 * 192 + 3 * 352) + 5 * 96 + 2 * 256)
    assert count("lora-fa", rank=4) == 2 * 4 * (5 * 96 + 2 * 256)
    assert count("mica", rank=4) == 2 * 4 * (6 * 96 + 256)
    assert count("adalora", rank=4) == 2 * (6 * (4 * 192 + 3 * 352) + 7 * 6)
    assert count("vera", rank=8) == 2 * (7 * 8 + 5 * 96 + 2 * 256)
    assert count("vb-lora", num_vectors=10, vector_length=32, rank=2) == 10 * 32 + 2 * 2 * 10 * (4 * 6 + 3 * 11)
    assert count("tinylora", width=3) == 14 * 3
    assert count("tinylora", width=3, tying=1.0) == 3
    assert count("tinylora", width=3, tying=0.5) == 7 * 3
    assert count("fourierft") == 14 * 1000
    assert count("fourierft", TINY) == 14 * 512
    assert count("c3a", block_size=32) == 2 * (4 * 96 * 96 + 3 * 96 * 256) // 32
    assert count("oft", block_size=8) == 2 * (6 * 12 + 32) * 28
    assert count("hra", rank=2) == 2 * 2 * (6 * 96 + 256)
    assert count("road") == 2 * (5 * 96 + 2 * 256)
    assert count("road", variant="road_4") == 4 * count("road")
    assert count("psoft", rank=8) == 14 * (28 + 16)
    assert count("osf", tail=0.25) == 2 * (4 * 24 * 193 + 3 * 24 * 353)
    assert count("shira", rank=8) == count("lora", rank=8)
    assert count("super-tuning", density=0.5) == (4 * 96 * 96 + 3 * 96 * 256)
    assert count("ia3") == 2 * (4 * 96 + 3 * 256)
    assert count("ln-tuning") == 5 * 96
    assert count("prompt-tuning", tokens=3) == 3 * 96
    assert count("prefix-tuning", SMOLLM2, tokens=3) == 3 * 2 * 2 * 192


def test_kronecker_factors_by_hand():
    lokr = create({"type": "lokr", "rank": 4, "factor": 8}).expected_trainable(ORGANISM)
    path = "base_model.model.model.layers.0.mlp.up_proj.lokr_"
    assert {name.removeprefix(path): shape for name, shape in lokr.items() if name.startswith(path)} == {
        "w1.default": (8, 8),
        "w2_a.default": (32, 4),
        "w2_b.default": (4, 12),
    }


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("vb-lora", "vector_length", (16, 32, 192)),
        ("c3a", "block_size", (16, 32, 192)),
        ("road", "group_size", (16, 32, 64)),
        ("oft", "block_size", (32, 32, 32)),
        ("boft", "block_size", (4, 4, 4)),
        ("randlora", "rank", (16, 32, 32)),
        ("psoft", "rank", (16, 32, 32)),
        ("fourierft", "n_frequency", (512, 1000, 1000)),
    ],
)
def test_defaults_fit_the_base(name, key, values):
    method = create({"type": name})
    assert tuple(getattr(method.settings(base), key) for base in (TINY, ORGANISM, SMOLLM2)) == values


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"type": "c3a", "block_size": 5}, ["block_size = 5", "divide every side", "96 x 96", "divisor of 32"]),
        ({"type": "road", "group_size": 3}, ["group_size = 3", "output", "multiple of 2"]),
        ({"type": "lora-ga", "rank": 60}, ["rank = 60", "half the smaller side", "48 of 96 x 96", "lower rank"]),
        ({"type": "pissa", "rank": 97}, ["rank = 97", "smaller side", "96 x 96"]),
        ({"type": "eva", "rank": 49}, ["rank = 49", "half the inputs", "48 of 96 x 96"]),
        ({"type": "shira", "rank": 49}, ["rank = 49", "out x in / (out + in)", "48 of 96 x 96"]),
        ({"type": "fourierft", "n_frequency": 9217}, ["n_frequency = 9217", "number of entries", "9216"]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_a_sentence_that_names_the_dial(settings, words):
    with pytest.raises(MethodError) as refusal:
        create(settings).expected_trainable(ORGANISM)
    assert "\n" not in str(refusal.value)
    for word in words:
        assert word in str(refusal.value)


def test_tinylora_takes_no_more_values_than_it_has_directions():
    def tinylora(**keys):
        return create({"type": "tinylora"} | keys)

    with pytest.raises(MethodError, match=r"width = 5 is more than the 4 directions .* set width to at most 4, or"):
        tinylora(width=5)
    with pytest.raises(MethodError, match="width = 4 is more than the 1 directions that frozen_rank = 1 leaves"):
        tinylora(frozen_rank=1)
    assert tinylora(width=9, frozen_rank=3).width == 9
    base = shapes(32, 64, 16)  # 14 matrices, each with 2 x 2 directions of its own for the vector that all share
    assert list(tinylora(width=56, tying=1).expected_trainable(base).values()) == [(56,)]
    with pytest.raises(MethodError, match=r"width = 57 is more than the 56 directions .* to 14 matrices that share"):
        tinylora(width=57, tying=1).expected_trainable(base)


def test_an_odd_number_of_reflections_is_refused_however_it_came_about():
    with pytest.raises(MethodError, match="rank = 3: input should be a multiple of 2"):
        create({"type": "hra", "rank": 3})
    with pytest.raises(MethodError, match="rank = 3 must be a multiple of 2"):
        create({"type": "hra"}).model_copy(update={"rank": 3}).expected_trainable(ORGANISM)


def test_sizes():
    matrices = {"a": (12, 30), "b": (18, 60)}
    assert Divides("side", 100).default(matrices) == 6
    assert Divides("input", 100).default(matrices) == 30
    assert Divides("output", 5, multiple_of=2).default(matrices) == 2
    assert AtMost(min, "the smaller side", 100).default(matrices) == 12
    assert AtMost(min, "the smaller side", 4).default(matrices) == 4
    for size in (Divides("side", 100), AtMost(min, "the smaller side"), MultipleOf(3)):
        size.refuse("key", 6, matrices)


def test_what_peft_seeds_itself_is_seeded_by_us():
    assert create({"type": "vera"}).config_fields(ORGANISM, 7)["projection_prng_key"] == 7
    assert create({"type": "fourierft"}).config_fields(ORGANISM, 7)["random_loc_seed"] == 7
    plain = create({"type": "peft", "peft_type": "SHIRA"})
    assert plain.config_fields(ORGANISM, 7)["random_seed"] == 7
    chosen = create({"type": "peft", "peft_type": "SHIRA", "random_seed": 3})
    assert chosen.config_fields(ORGANISM, 7)["random_seed"] == 3


def test_properties_follow_from_the_rows():
    moving = {name for name in PEFT_ROWS if create({"type": name}).changes_base}
    assert moving == {"olora", "corda", "lora-ga"}
    calibrated = {name for name in PEFT_ROWS if create({"type": name}).needs_calibration}
    assert calibrated == {"eva", "corda", "lora-ga"}
    assert {name for name in PEFT_ROWS if not create({"type": name}).mergeable} == {"prompt-tuning", "prefix-tuning"}
    away = {name for name in PEFT_ROWS if not create({"type": name}).identity_at_start}
    assert away == {"vb-lora", "unilora", "prompt-tuning", "prefix-tuning"}
    assert create({"type": "peft", "peft_type": "LORA", "init_lora_weights": "lora_ga"}).needs_calibration
    assert create({"type": "pissa", "svd_iterations": 4}).changes_base
