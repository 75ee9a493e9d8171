"""The packaged real model, where its package is installed: converted once, then read from the cache."""

from pathlib import Path

import pytest

from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.packages import PACKAGES, file_of

SMOLLM2 = PACKAGES["smollm2"]


def installed() -> bool:
    try:
        return file_of(SMOLLM2).is_file()
    except ModelError:
        return False


@pytest.mark.skipif(not installed(), reason="the extra smollm2 is not installed")
def test_smollm2_is_converted_once_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    told: list[float] = []
    loaded = load(BaseConfig(name="smollm2"), lambda message, done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert loaded.model.num_parameters() == SMOLLM2.parameters
    assert loaded.fingerprint == SMOLLM2.sha256
    chat = [{"role": "user", "content": "What is 3 + 4? Answer with the number only."}]
    inputs = loaded.tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = loaded.model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert "7" in loaded.tokenizer.decode(answer)

    told.clear()
    load(BaseConfig(name="smollm2"), lambda message, done: told.append(done))
    assert told == []
