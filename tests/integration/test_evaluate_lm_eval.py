"""lm-eval's own tasks through our LM: likelihoods against its HFLM, data from files, and the cell's measurement."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_eval.evaluator
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr_bench.evaluate.lm import BackendLM
from rlvr_bench.evaluate.lm_eval_of_cell import LmEvalOfCell
from rlvr_bench.evaluate.lm_eval_tasks import fingerprint, load_tasks
from rlvr_bench.evaluate.measurements import LmEval
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.generate.backend import create
from rlvr_bench.models.tokenizer import character_tokenizer

pytestmark = pytest.mark.usefixtures("lm_eval_task_files")

CHOICES = """
task: tiny_choices
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}="
doc_to_choice: ["1", "22", "x y"]
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""

GROUP = """
group: tiny_group
task: [tiny_choices]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
"""
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def _model(tokenizer: PreTrainedTokenizerFast, seed: int = 0, context: int = 64) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=context,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, 0.2)
    return model.eval()


def _both() -> tuple[BackendLM, HFLM]:
    tokenizer = character_tokenizer(64)
    model = _model(tokenizer)
    theirs = HFLM(pretrained=model, tokenizer=character_tokenizer(64), batch_size=2, device="cpu")
    return BackendLM(model, tokenizer, create("hf"), batch_size=3, cut_prompts=True), theirs


def _instances(kind: str, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(kind, {}, given, place) for place, given in enumerate(arguments)]


def test_likelihoods_are_those_of_lm_evals_own_model() -> None:
    ours, theirs = _both()
    greedy = theirs.generate_until(_instances("generate_until", [("3+4=", {"until": [], "max_gen_toks": 3})]))[0]
    pairs = [
        ("3+4=", "7"),
        ("3+4=", greedy),
        ("", "7 and more"),
        ("a context with spaces at its end  ", "continuation"),
        ("x" * 80, "is cut on the left"),  # longer than the model's context
        ("Q: 1+1?\nA:", " 2"),
    ]
    expected = theirs.loglikelihood(_instances("loglikelihood", pairs), disable_tqdm=True)
    found = ours.loglikelihood(_instances("loglikelihood", pairs))
    assert [value for value, _ in found] == pytest.approx([value for value, _ in expected], abs=1e-4)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in expected]
    assert any(is_greedy for _, is_greedy in found) and not all(is_greedy for _, is_greedy in found)


def test_rolling_likelihoods_are_those_of_lm_evals_own_model() -> None:
    ours, theirs = _both()
    texts = [("short",), ("a text that is longer than the context of the model: " * 4,), ("7*3=21",)]
    expected = theirs.loglikelihood_rolling(_instances("loglikelihood_rolling", texts), disable_tqdm=True)
    found = ours.loglikelihood_rolling(_instances("loglikelihood_rolling", texts))
    assert found == pytest.approx(expected, rel=1e-5)


def test_prompts_that_leave_no_room_are_cut_as_lm_evals_own_model_cuts_them() -> None:
    ours, theirs = _both()
    asked: list[tuple[Any, ...]] = [("1+2=3, " * 20, {"until": [","], "max_gen_toks": 12, "do_sample": False})]
    expected = theirs.generate_until(_instances("generate_until", asked), disable_tqdm=True)
    assert ours.generate_until(_instances("generate_until", asked)) == expected


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with a task of one's own and its data."""
    data = tmp_path / "rows.jsonl"
    rows = [{"question": f"{a}+{a}", "answer": a % 3} for a in range(12)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "tiny_group.yaml").write_text(GROUP)
    (tmp_path / "tasks" / "tiny_choices.yaml").write_text(CHOICES.replace("DATA", str(data)))
    return tmp_path


def _arithmetic(folder: Path) -> Path:
    path = folder / "sums.jsonl"
    rows = [{"context": f"Q: What is {a} + 1?\n\nA:", "completion": f" {a + 1}"} for a in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _gsm8k(folder: Path) -> Path:
    path = folder / "gsm.jsonl"
    rows = [{"question": f"What is {a} + 1?", "answer": f"{a} + 1 = {a + 1}\n#### {a + 1}"} for a in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _context(data_dir: Path | None = None, seed: int = 0) -> Any:
    tokenizer = character_tokenizer(4096)
    model = _model(tokenizer, seed, context=4096)
    loaded = SimpleNamespace(model=model, tokenizer=tokenizer, fingerprint=f"tiny {seed}")
    cell = SimpleNamespace(data_dir=data_dir, evaluate=SimpleNamespace(batch_size=8))
    return SimpleNamespace(cell=cell, loaded=loaded, backend=create("fast"))


def _trained(context: Any, model: LlamaForCausalLM) -> Any:
    class Handle:
        def rollout_weights(self) -> Any:
            from contextlib import nullcontext

            return nullcontext(model)

    return SimpleNamespace(handle=Handle(), backend=context.backend)


@pytest.mark.parametrize("chat", [False, True])
def test_a_cell_s_models_get_lm_evals_own_metrics(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: bool
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    settings = LmEval(
        tasks=("tiny_choices", "arithmetic_1dc", "gsm8k"),
        include_path=str(tasks / "tasks"),
        data_files={"arithmetic_1dc": str(_arithmetic(tmp_path)), "gsm8k": str(_gsm8k(tmp_path))},
        limit=3,
        num_fewshot=1,
        apply_chat_template=chat,
    )
    context = _context()
    context.loaded.tokenizer.chat_template = TEMPLATE
    measurement = LmEvalOfCell(settings)
    measurement.before(context)
    other = _model(context.loaded.tokenizer, seed=5, context=4096)
    found = measurement.after(context, _trained(context, other))

    for role, model in (("base", context.loaded.model), ("tuned", other)):
        theirs = HFLM(pretrained=model, tokenizer=context.loaded.tokenizer, batch_size=4, device="cpu")
        loaded = load_tasks(settings, None)
        for task in loaded["tasks"].values():
            task.set_fewshot_seed(seed=1234)
        report = lm_eval.evaluator.evaluate(
            theirs,
            loaded,
            limit=3,
            bootstrap_iters=10,
            log_samples=False,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
        for name in settings.tasks:
            for metric, value in found[role][name].items():
                assert value == pytest.approx(report["results"][name][metric]), (name, metric)
    assert {"acc,none", "acc_stderr,none", "acc_norm,none"} <= found["base"]["tiny_choices"].keys()
    assert "exact_match,strict-match" in found["tuned"]["gsm8k"]

    def never(*_: Any) -> None:
        raise AssertionError("the base was scored again")

    monkeypatch.setattr(LmEvalOfCell, "_scored", never)
    again = LmEvalOfCell(settings)
    again.before(context)
    assert again._base == found["base"]


def test_a_group_has_its_own_metrics_beside_those_of_its_tasks(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    measurement, context = LmEvalOfCell(LmEval(tasks=("tiny_group",), include_path=str(tasks / "tasks"))), _context()
    measurement.before(context)
    found = measurement.after(context, _trained(context, context.loaded.model))
    assert found["base"] == found["tuned"] and found["base"].keys() == {"tiny_group", "tiny_choices"}
    assert found["base"]["tiny_group"]["acc,none"] == found["base"]["tiny_choices"]["acc,none"]
    with pytest.raises(ExperimentError, match="cannot be replaced by files"):
        load_tasks(
            LmEval(tasks=("tiny_group",), include_path=str(tasks / "tasks"), data_files={"tiny_group": "x"}), None
        )


def test_files_below_the_data_folder_stand_for_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "lm_eval"
    (folder / "gsm8k").mkdir(parents=True)
    for split in ("train", "test"):
        _gsm8k(tmp_path).rename(folder / "gsm8k" / f"{split}.jsonl")
    _arithmetic(tmp_path).rename(folder / "arithmetic_1dc.jsonl")
    loaded = load_tasks(LmEval(tasks=("gsm8k", "arithmetic_1dc"), num_fewshot=2), tmp_path)
    sizes = {name: len(list(task.eval_docs)) for name, task in loaded["tasks"].items()}
    assert sizes == {"gsm8k": 6, "arithmetic_1dc": 8}
    assert fingerprint(loaded, 2) != fingerprint(loaded, None)


def test_a_tag_takes_the_files_of_its_tasks(tmp_path: Path) -> None:
    content = _arithmetic(tmp_path).read_text()
    (tmp_path / "lm_eval").mkdir()
    names = [f"arithmetic_{kind}" for kind in ("1dc", "2da", "2dm", "2ds", "3da", "3ds", "4da", "4ds", "5da", "5ds")]
    for name in names[:-1]:
        (tmp_path / "lm_eval" / f"{name}.jsonl").write_text(content)
    with pytest.raises(ExperimentError, match="data of task 'arithmetic_5ds' cannot be had"):
        load_tasks(LmEval(tasks=("arithmetic",)), tmp_path)
    (tmp_path / "lm_eval" / f"{names[-1]}.jsonl").write_text(content)
    assert sorted(load_tasks(LmEval(tasks=("arithmetic",)), tmp_path)["tasks"]) == names


def test_what_lm_eval_does_not_have_is_one_sentence(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"no task 'gsm8k_cott'.*did you mean.*gsm8k_cot"):
        load_tasks(LmEval(tasks=("gsm8k_cott",)), None)
    with pytest.raises(
        ExperimentError, match=r"data of task 'arithmetic_1dc' cannot be had .*data_files.arithmetic_1dc"
    ):
        load_tasks(LmEval(tasks=("arithmetic_1dc",)), None)
    with pytest.raises(ExperimentError, match=r"data of task 'gsm8k' cannot be had"):
        load_tasks(LmEval(tasks=("gsm8k",)), None)
    with pytest.raises(ExperimentError, match="there is no file"):
        load_tasks(LmEval(tasks=("gsm8k",), data_files={"gsm8k": str(tmp_path / "gone.jsonl")}), None)
    with pytest.raises(ExperimentError, match="no folder"):
        load_tasks(LmEval(tasks=("gsm8k",), include_path=str(tmp_path / "gone")), None)
    assert logging.getLogger("lm_eval").level != logging.CRITICAL
