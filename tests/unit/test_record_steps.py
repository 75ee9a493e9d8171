"""Steps by metric are the steps themselves, and a number that is too large is found beside texts that look like one."""

from typing import Any

import pytest

from rlvr_bench.record.documents import parse_json
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.steps import Steps, column, extras, recorded

OWN = [StepRecord(step=1, reward=0.5, **{"strategy/worked": 0.25}), StepRecord(step=2, kl=1e-9)]  # type: ignore[arg-type]
COLUMNS: dict[str, list[Any]] = {
    "step": [1, 2],
    "reward": [0.5, None],
    "kl": [None, 1e-9],
    "strategy/worked": [0.25, None],
}


def test_steps_by_metric_say_what_the_steps_say() -> None:
    steps = Steps(COLUMNS, 2)
    assert steps == OWN and steps[1:] == OWN[1:] and steps[-1] == OWN[-1] and steps != OWN[:1]
    for name in (*COLUMNS, "non_finite", "entropy"):
        assert list(column(steps, name)) == list(column(OWN, name))
        assert recorded(steps, name) == recorded(OWN, name)
    assert extras(steps) == extras(OWN) == ["strategy/worked"]


@pytest.mark.parametrize("text", ["01" * 64, "3e1234", r"a\"b", r"\\", r"\\\"", ""])
def test_a_number_beside_a_text_is_refused_and_the_text_is_not(text: str) -> None:
    assert parse_json(f'["{text}", 1, "b"]'.encode())[1] == 1
    for number in ("9223372036854775808", "-1e400", "1E+999"):
        with pytest.raises(ValueError, match=r"2\^63|infinite"):
            parse_json(f'["{text}", {number}, "b"]'.encode())
