"""The names by which a method's config points at its code are strings, which no type checker follows."""

import inspect
from pkgutil import resolve_name

import pytest

from rlvr_bench.methods import names
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.low_rank.variants import StartedLora
from rlvr_bench.methods.peft.method import PeftMethod
from rlvr_bench.methods.registry import method_class


@pytest.mark.parametrize("name", names())
def test_every_pointer_leads_to_a_function_that_takes_what_it_is_given(name):
    config = method_class(name)
    inspect.signature(resolve_name(config.implementation)).bind("method", "model", 0, None)
    for check in config.start_checks:
        inspect.signature(resolve_name(check)).bind("method", "handle", "base")
    for check in config.end_checks:
        inspect.signature(resolve_name(check)).bind("method", "handle", "optimizer")
    if issubclass(config, StartedLora):
        inspect.signature(resolve_name(config.initialisation)).bind("method", "matrix")
    if issubclass(config, PeftMethod):
        assert issubclass(resolve_name(config.handle), Handle)


@pytest.mark.parametrize("name", names())
def test_every_method_is_attested_at_the_start_unless_nothing_is_added_to_the_base(name):
    config = method_class(name)
    assert config.start_checks or config.implementation.startswith("rlvr_bench.methods.full.")
