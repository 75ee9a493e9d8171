"""The conformance kit as tests of an outside package: one test for each method and check.

    @pytest.mark.conformance({"type": "my-method"}, {"type": "my-method", "rank": 4})
    def test_my_method(conformance):
        conformance()

Each argument of the mark is a method: its settings, as in an experiment file, or an instance of its class. The fixture
runs one check and fails with its sentence. pytest finds this plug-in by itself; torch is imported only for tests that
carry the mark.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rlvr_bench.methods.base.method import Method
    from rlvr_bench.methods.conformance import Suite

FIXTURE = "conformance"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, also under --strict-markers."""
    config.addinivalue_line("markers", "conformance(*methods): check fine-tuning methods (settings or instances)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn a test that asks for the fixture into one test for each method of its mark and each check."""
    if FIXTURE not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker(FIXTURE)
    if mark is None or not mark.args:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} asks for the fixture {FIXTURE!r} and names no method; mark it "
            '@pytest.mark.conformance({"type": "my-method"})'
        )
    from rlvr_bench.methods.conformance import Suite

    suites = [Suite(_method(argument)) for argument in mark.args]
    cases = [(suite, check) for suite in suites for check in suite.names]
    names = [f"{_label(suite.method)}: {check}" for suite, check in cases]
    metafunc.parametrize(FIXTURE, cases, ids=names, indirect=True)


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that runs one check of the method under test."""
    suite, check = request.param

    def run() -> None:
        _judge(suite, check)

    return run


def _judge(suite: "Suite", check: str) -> None:
    outcome = suite.run(check)
    if outcome.status == "failed":
        pytest.fail(outcome.detail, pytrace=False)
    if outcome.status == "skipped":
        pytest.skip(outcome.detail)


def _method(argument: Any) -> "Method":
    from rlvr_bench.methods import MethodError, create
    from rlvr_bench.methods.base.method import Method

    try:
        return argument if isinstance(argument, Method) else create(argument)
    except MethodError as wrong:
        raise pytest.UsageError(str(wrong)) from wrong


def _label(method: "Method") -> str:
    settings = method.model_dump(mode="json", exclude_unset=True, exclude={"type"})
    return " ".join([method.type, *(f"{key}={value}" for key, value in settings.items())])
