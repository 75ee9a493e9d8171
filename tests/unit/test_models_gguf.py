"""The header of a GGUF file: what is wrong with one is one sentence, whatever its bytes are."""

import random
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.header import read_header


def written(path: Path) -> bytes:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_token_list(["a", "b", "é"])
    writer.add_array("list", [1.5, 2.5])
    writer.add_bool("flag", True)
    writer.add_tensor("token_embd.weight", np.arange(96, dtype=np.float32).reshape(3, 32))
    rows = gguf.quantize(np.ones((3, 64), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("output.weight", rows, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def raw(*, kind: int = 0, tensors: int = 1, version: int = 3, dimensions: tuple[int, ...] = (32,)) -> bytes:
    """A file with one key and one tensor of zeros."""

    def text(content: bytes) -> bytes:
        return struct.pack("<Q", len(content)) + content

    head = b"GGUF" + struct.pack("<IQQ", version, tensors, 1)
    key = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    entry = text(b"t") + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, 0)
    return head + key + entry + bytes(4096)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as refused:
        read_header(path)
    return str(refused.value)


def test_a_header_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    content = written(path)
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.metadata["tokenizer.ggml.tokens"] == ["a", "b", "é"]
    assert (header.metadata["list"], header.metadata["flag"]) == ([1.5, 2.5], True)
    embedding, head = header.tensors["token_embd.weight"], header.tensors["output.weight"]
    stored = np.frombuffer(content[embedding.start : embedding.start + embedding.size], np.float32)
    assert (embedding.shape, stored.tolist()) == ((3, 32), list(range(96)))
    assert (embedding.bits_per_weight, head.bits_per_weight, head.shape) == (32, 8.5, (3, 64))
    assert head.start + head.size <= len(content)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    content = written(path)
    end = max(tensor.start + tensor.size for tensor in read_header(path).tensors.values())
    for length in range(0, end, 7):
        sentence = refusal(path, content[:length])
        assert ("no whole GGUF file" if length >= 4 else "no GGUF file") in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"GGML" + raw()[4:], "no GGUF file"),
        (raw(version=1), "GGUF version 1"),
        (raw(version=3 << 24), "GGUF version 50331648"),
        (raw(tensors=2**60), "promises 1152921504606846976 tensors"),
        (raw(tensors=0), "holds no tensors"),
        (raw(kind=999), "unknown type 999"),
        (raw(dimensions=(2**40, 2**40)), "no whole GGUF file"),
        (raw(dimensions=(1,) * 9), "has 9 dimensions"),
        (raw(dimensions=(0,)), "rows of 0"),
        (raw(kind=8, dimensions=(33,)), "rows of 33, stored in blocks of 32"),
        (raw().replace(b"general.architecture", b"general.architectura"), "general.architecture is missing"),
        (raw().replace(b"llama", b"\xff\xff\xff\xff\xff"), "is not UTF-8"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    said = refusal(tmp_path / "model.gguf", content)
    assert sentence in said
    assert said.count(": ") >= 1


def test_any_bytes_are_read_or_refused(tmp_path: Path) -> None:
    path, chance = tmp_path / "model.gguf", random.Random(0)
    content = written(path)
    for _ in range(500):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken) // 2)] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            read_header(path)
        except ModelError as error:
            assert "\n" not in str(error)
