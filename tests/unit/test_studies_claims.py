"""Files of claims: what is broken is named, ids are unique, and a named choice stands for its settings."""

from pathlib import Path

import pytest

from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.errors import FindingsError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("topic = 't'\nclaim = 3", "claim"),
        ("topic = 't'\n[[claim]]\nid = 'W1'\n", "missing"),
        ("[[hypothesis", "not readable as TOML"),
        ("", "missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(FindingsError, match=f"mine.toml.*{said}"):
        load_claims(tmp_path)


def test_ids_are_unique_over_files_and_sorted_by_number(tmp_path: Path) -> None:
    text = "topic = 't'\n[[claim]]\nid = '{}'\nclaim = 'c'\nsource = 's'\npublished = ''\ntest = 't'\n"
    text += "analysis = 'mean'\nside = 'above'\nthreshold = 0\nmargin = 0\n"
    (tmp_path / "a.toml").write_text(text.format("W10"))
    (tmp_path / "b.toml").write_text(text.format("W2"))
    assert [hypothesis.id for hypothesis in load_claims(tmp_path)] == ["W2", "W10"]
    (tmp_path / "c.toml").write_text(text.format("W2"))
    with pytest.raises(FindingsError, match="W2 is there twice"):
        load_claims(tmp_path)
    with pytest.raises(FindingsError, match="holds no claims"):
        load_claims(tmp_path / "nowhere")


def test_a_named_choice_stands_for_its_settings_and_more(tmp_path: Path) -> None:
    text = """
        topic = "t"
        settings = { of = "short" }
        [choices]
        short = { "signal.steps" = 8 }
        gentle = { "method.type" = "lora", learning_rate = 1e-4 }
        [[claim]]
        id = "W1"
        claim = "c"
        source = "s"
        published = ""
        test = "t"
        analysis = "difference"
        side = "above"
        threshold = 0
        margin = 0
        [claim.arguments]
        figure = "short"
        a = { of = "gentle", learning_rate = 1e-3, seed = 1 }
        b = { "method.type" = "full" }
    """
    (tmp_path / "a.toml").write_text(text)
    (claim,) = load_claims(tmp_path)
    assert claim.asked == {
        "figure": "short",
        "a": {"signal.steps": 8, "method.type": "lora", "learning_rate": 1e-3, "seed": 1},
        "b": {"signal.steps": 8, "method.type": "full"},
    }
    for known, typo in (("gentle", "gentel"), ("short", "shrt")):
        (tmp_path / "a.toml").write_text(text.replace(f'of = "{known}"', f'of = "{typo}"'))
        with pytest.raises(FindingsError, match=rf'a.toml: \[choices\] has no "{typo}".*did you mean .?{known}'):
            load_claims(tmp_path)
