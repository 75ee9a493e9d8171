"""Scoring tiny random models: our LM against lm-eval's HFLM, and the evaluator end to end."""

import logging

import lm_eval
import pytest
import torch
from generate_models import tiny_model
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_bench.evaluate.evaluator import evaluate
from rlvr_bench.evaluate.greedy import grade_greedy
from rlvr_bench.evaluate.lm import BackendLM, UnsupportedRequestError
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import create
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.record.samples import SAMPLES_SCHEMA
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.lm_eval.adapter import lm_eval_task
from rlvr_bench.tasks.problem import Verdict

SETTINGS = EvaluateSettings(samples=3, max_new_tokens=16, batch_size=16, seed=5, sampled_splits=("validation", "test"))
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


def _tokenizer(chat=False):
    tokenizer = character_tokenizer(256)
    if chat:
        tokenizer.chat_template = TEMPLATE
    return tokenizer


def _model(tokenizer, seed=0):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)
        # Some greedy answers end, some are cut.
        model.model.embed_tokens.weight[tokenizer.eos_token_id] *= 2.5
    return model.eval()


def _task(**settings):
    """Chains, with verdicts that random text meets all of."""
    task = task_registry.create({"name": "chain", "levels": [3], "train": 8, "validation": 24, "test": 40, **settings})
    task.verify = _verdict
    return task


def _verdict(completion, problem, truncated=False):
    if "7" in completion:
        return Verdict(False, None, "error")
    if not any(letter in completion for letter in "abcdefghij"):
        return Verdict(False, None, "unparsed")
    correct = completion.count("e") % 2 == 0
    return Verdict(correct, completion[:1], "correct" if correct else "wrong")


def _requests(options):
    texts = ["7*3+4=?\n", "a", "count: xyyx\n", "9-4=?", "<eos> is a word", "12345678901234567890?"]
    return [Instance("generate_until", {}, (text, dict(options)), index) for index, text in enumerate(texts)]


@pytest.mark.parametrize("backend", ["fast", "hf"])
@pytest.mark.parametrize("options", [{"until": [], "max_gen_toks": 20}, {"until": ["3", "ab"], "max_gen_toks": 12}])
def test_the_answers_are_those_of_lm_evals_own_model(backend, options):
    tokenizer = _tokenizer()
    model = _model(tokenizer)
    greedy = {**options, "do_sample": False, "temperature": 0.0}
    theirs = HFLM(pretrained=model, tokenizer=_tokenizer(), batch_size=2, device="cpu")
    ours = BackendLM(model, tokenizer, create(backend), batch_size=2)
    expected = theirs.generate_until(_requests(greedy), disable_tqdm=True)
    assert ours.generate_until(_requests(greedy)) == expected
    assert len(set(expected)) > 3


def test_accuracy_is_what_lm_eval_says_of_its_own_model():
    tokenizer, task = _tokenizer(), _task()
    model = _model(tokenizer)
    scored = lm_eval_task(task, "test", SETTINGS.max_new_tokens)
    theirs = HFLM(pretrained=model, tokenizer=_tokenizer(), batch_size=16, device="cpu")
    result = lm_eval.evaluate(theirs, {"task": scored}, bootstrap_iters=0)["results"]["task"]
    score, _ = evaluate(model, tokenizer, task, "test", SETTINGS.model_copy(update={"samples": 0}), create("fast"))
    assert score.greedy == result["correct,none"]
    assert score.unparsed == result["unparsed,none"]
    assert score.verifier_errors == result["verifier_error,none"]
    assert score.n == 40
    assert 0.0 < score.greedy < 1.0


@pytest.mark.parametrize("chat", [False, True])
def test_greedy_and_sampled_completions_answer_the_same_prompt(chat):
    tokenizer, task, seen = _tokenizer(chat), _task(chat=chat), []
    backend = create("fast")

    class Recording:
        name = "recording"

        def refusal(self, model):
            return None

        def generate(self, model, prompts, params):
            seen.append(prompts)
            return backend.generate(model, prompts, params)

    evaluate(_model(tokenizer), tokenizer, task, "test", SETTINGS, Recording())
    asked = [prompt_ids(tokenizer, task.prompt(problem)) for problem in task.problems("test")]
    greedy, sampled = seen
    assert greedy == asked
    assert sampled == [prompt for prompt in asked for _ in range(3)]
    assert tokenizer.decode(asked[0]).startswith("<user>") == chat


def test_evaluate_end_to_end():
    tokenizer, task = _tokenizer(), _task()
    model = _model(tokenizer)
    score, rows = evaluate(model, tokenizer, task, "validation", SETTINGS, create("fast"))
    reference, reference_rows = evaluate(model, tokenizer, task, "validation", SETTINGS, create("hf"))
    assert score == reference
    assert [row["completion"] for row in rows] == [row["completion"] for row in reference_rows]
    problems = {problem.id: problem for problem in task.problems("validation")}
    assert len(rows) == 24 * 4
    greedy, sampled = rows[:24], rows[24:]
    assert [row["problem_id"] for row in greedy] == list(problems)
    assert [row["temperature"] for row in rows] == [0.0] * 24 + [1.0] * 72
    assert [(row["problem_id"], row["sample"]) for row in sampled] == [(key, n) for key in problems for n in range(3)]
    assert all({*row, "cell_id", "model"} == set(SAMPLES_SCHEMA.names) for row in rows)
    for row in rows:
        verdict = task.verify(row["completion"], problems[row["problem_id"]])
        assert (row["correct"], row["parsed"], row["reason"]) == (verdict.correct, verdict.parsed, verdict.reason)
        assert row["tokens"] == 16 if row["finish_reason"] == "length" else 1 <= row["tokens"] <= 16
        assert row["logprob_sum"] < 0.0
    assert {row["finish_reason"] for row in rows} == {"stop", "length"}
    assert {row["reason"] for row in rows} == {"correct", "wrong", "unparsed", "error"}
    assert score.greedy_outcomes == "".join(str(int(row["correct"])) for row in greedy)
    assert score.sample_counts == [sum(row["correct"] for row in sampled[i : i + 3]) for i in range(0, 72, 3)]
    assert score.truncated == sum(row["finish_reason"] == "length" for row in rows) / len(rows)


def test_an_evaluation_repeats_itself_and_its_samples_hang_on_the_seed():
    tokenizer, task, backend = _tokenizer(), _task(), create("fast")
    model = _model(tokenizer)
    first = evaluate(model, tokenizer, task, "validation", SETTINGS, backend)
    torch.manual_seed(123)
    assert evaluate(model, tokenizer, task, "validation", SETTINGS, backend) == first
    _, other = evaluate(
        model, tokenizer, task, "validation", SETTINGS.model_copy(update={"seed": 6, "batch_size": 7}), backend
    )
    completions = [row["completion"] for row in first[1]]
    assert [row["completion"] for row in other][:24] == completions[:24]
    assert [row["completion"] for row in other][24:] != completions[24:]


def test_lm_eval_is_quiet_and_stays_as_it_was(capfd, caplog):
    tokenizer = _tokenizer()
    progress, level = lm_eval.api.task.tqdm, logging.getLogger("lm_eval").level
    grade_greedy(_model(tokenizer), tokenizer, _task(), "validation", SETTINGS, create("fast"))
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.records) == ("", "", [])
    assert lm_eval.api.task.tqdm is progress
    assert logging.getLogger("lm_eval").level == level


def test_sampling_requests_are_refused_in_one_sentence():
    lm = BackendLM(tiny_model(), _tokenizer(), create("fast"), batch_size=1)
    with pytest.raises(UnsupportedRequestError, match="Got a request to sample"):
        lm.generate_until(_requests({"until": [], "do_sample": True, "temperature": 0.8}))
