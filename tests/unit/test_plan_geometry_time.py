"""What a plan says of the geometry's time, from the header of a base's file alone."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.plan.geometry_time import geometry_sentence

FILE: dict[str, Any] = {
    "name": "mine",
    "seeds": [0],
    "task": {"name": "chain", "levels": [4], "train": 64, "validation": 4, "test": 4},
    "signal": {"steps": 30, "prompts_per_batch": 4, "group_size": 8},
    "methods": {"lora": {"learning_rate": 1e-3}, "full": {"learning_rate": 1e-3}},
}


@pytest.fixture
def large(tmp_path: Path) -> str:
    """The file of a model with eight layers of 512; a plan reads only its header."""
    path = tmp_path / "large.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for layer in range(8):
        for kind, rows in (("attn_q", 512), ("ffn_up", 2048)):
            writer.add_tensor(f"blk.{layer}.{kind}.weight", np.zeros((rows, 512), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def sentence(base: str, **changes: Any) -> str:
    return geometry_sentence(cells(Experiment.model_validate(FILE | {"bases": [base]} | changes), fetch=False))


def test_a_sample_and_all_matrices_are_said_with_their_time(large: str) -> None:
    said = sentence(large)
    assert said.count("geometry about 2 s a cell") == 1
    assert "a sample of 8 of 16 matrices" in said
    assert f"s a cell on {large}, in full" in sentence(large, measurements={"geometry": "full"})
    assert sentence(large, measurements={"geometry": "off"}) == ""


def test_nothing_is_said_of_an_organism_or_of_a_model_that_is_not_here() -> None:
    assert sentence("organism-steps") == sentence("Qwen/Qwen2.5-Math-7B") == ""
