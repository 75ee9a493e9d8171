"""The conformance kit: honest methods pass it, and each kind of wrong method fails the check that is about it."""

import re
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch

from rlvr_bench.methods import create, names
from rlvr_bench.methods.base.budget import resolve
from rlvr_bench.methods.conformance import Suite
from rlvr_bench.methods.conformance.case import KINDS, Case
from rlvr_bench.methods.conformance.checks import CHECKS
from rlvr_bench.methods.full.full import Full
from rlvr_bench.methods.peft.method import Lora, Pissa
from rlvr_bench.methods.registry import examples

pytest_plugins = ["pytester"]

FLOAT32, BFLOAT16 = KINDS[0], KINDS[1]


def found(method, check: str, kind=FLOAT32) -> str:
    """Return the sentence with which `check` fails on `method`."""
    outcome = Suite(method, [kind]).run(check)
    assert outcome.status == "failed", f"{check}: {outcome}"
    return outcome.detail


EVERY = [method for name in names() for method in examples(name)]


@pytest.mark.parametrize(
    "method", EVERY, ids=lambda method: " ".join(map(str, method.model_dump(exclude_unset=True).values()))
)
def test_every_registered_method_conforms(method):
    failed = [f"{outcome.check}: {outcome.detail}" for outcome in Suite(method).all() if outcome.status == "failed"]
    assert failed == []


def test_nothing_is_skipped_where_there_is_something_to_look_at():
    assert {outcome.status for outcome in Suite(create({"type": "lora", "rank": 4})).all()} == {"ok"}
    assert Suite.names == ("attaches and trains", *CHECKS)


class TrainsLora(Pissa):
    """Claims PiSSA and trains LoRA."""

    def attach(self, model, seed, calibration=None):
        handle = Lora(rank=self.rank, alpha=self.rank, targets=self.targets).attach(model, seed)
        handle.method = self
        return handle


def test_pissa_that_trains_lora():
    method = TrainsLora(rank=4)
    assert "pissa takes its start out of the base, but no base tensor changed" in found(method, "attestation")
    assert "changes_base is declared True and found False" in found(method, "declarations hold")
    assert "every base tensor is as it was" in found(method, "KL reference is the base")


class WrongLora(Lora):
    """LoRA whose handle is spoilt after attaching."""

    def attach(self, model, seed, calibration=None):
        handle = super().attach(model, seed, calibration)
        self.spoil(handle)
        return handle

    def spoil(self, handle) -> None:
        raise NotImplementedError


def bound(handle, name: str, function) -> None:
    setattr(handle, name, types.MethodType(function, handle))


class MergesInPlace(WrongLora):
    """Merges into the base and takes the delta out again, in the base's dtype."""

    def spoil(self, handle):
        @contextmanager
        def rollout_weights(self):
            self.model.merge_adapter()
            try:
                yield self.model
            finally:
                self.model.unmerge_adapter()

        bound(handle, "rollout_weights", rollout_weights)


def test_unmerging_by_subtraction_in_bfloat16():
    for check in ("rollouts change nothing", "frozen base unchanged"):
        assert re.search(r"proj\S* moved by \d", found(MergesInPlace(rank=4), check, BFLOAT16))
    assert "frozen tensors moved during training" in found(MergesInPlace(rank=4), "attestation", BFLOAT16)


class DecaysTheBase(WrongLora):
    """Its optimizer holds all parameters."""

    def spoil(self, handle):
        bound(
            handle,
            "create_optimizer",
            lambda self, lr, decay, betas: torch.optim.AdamW(
                self.model.parameters(), lr=lr, weight_decay=decay, betas=betas
            ),
        )


def test_an_optimizer_that_holds_frozen_weights():
    sentence = found(DecaysTheBase(rank=4), "weight decay spares the frozen")
    assert "embed_tokens.weight, which is not trainable, with weight decay 0.5" in sentence
    assert "the optimizer holds" in found(DecaysTheBase(rank=4), "parameter count")


class DecaysByHand(WrongLora):
    """Shrinks the base after every step."""

    def spoil(self, handle):
        def after_step(self, step):
            with torch.no_grad():
                self.live.model.norm.weight.mul_(0.99)

        bound(handle, "after_step", after_step)


def test_a_frozen_weight_that_shrinks_by_hand():
    assert found(DecaysByHand(rank=4), "frozen base unchanged").endswith("model.norm.weight moved by 0.0297")
    assert "model.norm.weight moved by 0.01" in found(DecaysByHand(rank=4), "weight decay spares the frozen")


class WrongShapes(Lora):
    """Expects twice the rank that it attaches."""

    def expected_trainable(self, shapes):
        return {name: (2 * shape[0], shape[1]) for name, shape in super().expected_trainable(shapes).items()}


class WrongCount(WrongLora):
    """Claims half of what it trains."""

    def spoil(self, handle):
        class Halved(type(handle)):
            trainable_parameters = property(lambda self: sum(t.numel() for _, t in self.trainable()) // 2)

        handle.__class__ = Halved


def test_a_wrong_count():
    real = Case(Lora(rank=4), *FLOAT32).attach().trainable_parameters
    assert re.search(
        rf"tells \d+ values from the shapes, the model trains {real}: \S*q_proj\.lora_A\.default\.weight is told as "
        r"\(8, 64\) and is \(4, 64\)",
        found(WrongShapes(rank=4), "parameter count"),
    )
    assert f"claims {real // 2} trainable values, the model has {real}" in found(WrongCount(rank=4), "parameter count")


class Leaks(WrongLora):
    """Trains a norm that it does not tell of."""

    def spoil(self, handle):
        handle.live.model.norm.weight.requires_grad_(True)
        told = [(n, p) for n, p in handle.model.named_parameters() if p.requires_grad and "lora" in n]
        bound(handle, "trainable", lambda self: told)


class LeaksOutside(WrongLora):
    """Trains a tensor that is no parameter of the model."""

    def spoil(self, handle):
        shift = torch.zeros(64, requires_grad=True)
        handle.live.model.norm.register_forward_hook(lambda module, inputs, output: output + shift)


def test_a_gradient_into_an_undeclared_tensor():
    sentence = found(Leaks(rank=4), "gradients only where declared")
    assert re.search(r"model\.norm\.weight gets a gradient \(up to \S+\) and is not declared trainable", sentence)
    sentence = found(LeaksOutside(rank=4), "gradients only where declared")
    assert "a tensor (64,) that is no parameter of the model gets a gradient" in sentence


class NeverReached(WrongLora):
    """Declares a tensor that the forward pass does not use."""

    def spoil(self, handle):
        handle.live.model.norm.register_parameter("unused", torch.nn.Parameter(torch.zeros(3)))


def test_a_declared_tensor_that_gets_no_gradient():
    sentence = found(NeverReached(rank=4), "gradients only where declared")
    assert "norm.unused is declared trainable and got no gradient" in sentence


class GlobalRandom(WrongLora):
    """Draws its start from the global random state."""

    def spoil(self, handle):
        with torch.no_grad():
            for name, tensor in handle.trainable():
                if "lora_A" in name:
                    tensor.normal_()


class IgnoresSeed(WrongLora):
    """Starts the same for every seed and says that it does not."""

    def spoil(self, handle):
        with torch.no_grad():
            for name, tensor in handle.trainable():
                if "lora_A" in name:
                    tensor.fill_(0.1)


def test_a_start_that_the_seed_does_not_decide():
    assert "attaching moves the global random state" in found(GlobalRandom(rank=4), "the seed decides the start")
    assert "another seed gives the same start" in found(IgnoresSeed(rank=4), "the seed decides the start")


class MergesLess(WrongLora):
    """Merges nine tenths of its update."""

    def spoil(self, handle):
        honest = handle.merged

        def merged(self, module):
            plain = honest(module)
            if plain is not module:
                base = self.unwrapped(module).weight.float()
                plain.weight.data = base + 0.9 * (plain.weight.data - base)
            return plain

        bound(handle, "merged", merged)


def test_merged_weights_that_are_not_the_forward_pass():
    for check in ("rollout weights equal the forward pass", "effective weights give the logits"):
        assert re.search(
            r"logits of the \w+ weights differ from the trained model's by \d.*; model\.layers\.0\.\S*_proj is the "
            r"first module whose output differs, by \d",
            found(MergesLess(rank=4), check),
        )


class MovesABuffer(WrongLora):
    """Has a fixed projection that moves."""

    def spoil(self, handle):
        handle.live.model.norm.register_buffer("projection", torch.ones(4), persistent=False)

        def after_step(self, step):
            self.live.model.norm.projection += 0.5

        bound(handle, "after_step", after_step)


def test_a_frozen_buffer_that_moves():
    assert found(MovesABuffer(rank=4), "frozen base unchanged").endswith("model.norm.projection moved by 1.5")
    assert "frozen tensors moved during training" in found(MovesABuffer(rank=4), "attestation")


class MovesTheBase(WrongLora):
    """Changes the base when it is attached, and does not tell."""

    def spoil(self, handle):
        with torch.no_grad():
            handle.live.model.embed_tokens.weight[5] += 0.25


def test_a_base_that_is_no_reference_for_the_kl():
    sentence = found(MovesTheBase(rank=4), "KL reference is the base")
    assert "at the start model.embed_tokens.weight moved by 0.25" in sentence
    assert re.search(
        r"logits at the start differ from the base's by \d.*; model\.embed_tokens is the first module",
        found(MovesTheBase(rank=4), "identity at start"),
    )


class TrainsTheReference(WrongLora):
    """Changes a class that every model of its kind shares."""

    honest: ClassVar[Any] = None

    def spoil(self, handle):
        norm = type(handle.live.model.norm)
        TrainsTheReference.honest = TrainsTheReference.honest or norm.forward
        honest = TrainsTheReference.honest
        norm.forward = lambda self, hidden: honest(self, hidden) * 1.01


def test_a_method_that_changes_other_copies_of_the_base():
    try:
        assert "logits of a copy of the base changed by" in found(
            TrainsTheReference(rank=4), "KL reference is the base"
        )
    finally:
        norm = type(Case(Full(), *FLOAT32).base().model.norm)
        norm.forward = TrainsTheReference.honest


class Noise(torch.optim.SGD):
    """Moves parameters that have no gradient."""

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for tensor in group["params"]:
                    tensor += 0.125


class Restless(WrongLora):
    """Moves without a gradient."""

    def spoil(self, handle):
        bound(handle, "create_optimizer", lambda self, lr, decay, betas: Noise(self.parameter_groups(lr, decay), lr=lr))


def test_a_step_without_a_gradient_that_moves():
    assert re.search(r"lora_A\S* moved by 0.125", found(Restless(rank=4), "zero gradient changes nothing"))
    assert "trained by Noise, the method asks for AdamW" in found(Restless(rank=4), "attestation")


class DropsOut(WrongLora):
    """Has dropout."""

    def spoil(self, handle):
        for module in handle.live.modules():
            if hasattr(module, "lora_dropout"):
                module.lora_dropout["default"] = torch.nn.Dropout(0.5)


def test_dropout():
    assert re.search(
        r"logits in training mode differ .* by \d.*_proj\.lora_dropout\.default is the first module",
        found(DropsOut(rank=4), "no dropout"),
    )


class Forgets(WrongLora):
    """Does not store all that it trains."""

    def spoil(self, handle):
        bound(handle, "stored_tensors", lambda self: dict(self.trainable()[:-1]))


def test_an_export_that_forgets_a_tensor():
    sentence = found(Forgets(rank=4), "save and load")
    assert re.search(r"logits after loading differ .* by \d\S*: \S*lora_B\.default\.weight differs by \d", sentence)


class LooseDial(Lora):
    """Attaches rank 4 whatever its rank."""

    def attach(self, model, seed, calibration=None):
        handle = Lora(rank=4).attach(model, seed)
        handle.method = self
        return handle


def test_a_dial_that_turns_nothing():
    sentence = r"rank = \d was chosen for \d+ trainable values and gives \d+"
    assert re.search(sentence, found(LooseDial(rank=8), "budget"))


class Raises(WrongLora):
    """Cannot train."""

    def spoil(self, handle):
        raise RuntimeError("no\nluck")


def test_a_method_that_raises_is_one_failure():
    outcomes = Suite(Raises(rank=4)).all()
    assert [(o.check, o.detail) for o in outcomes if o.status == "failed"] == [
        ("attaches and trains", "llama float32: RuntimeError: no luck")
    ]


def test_a_budget_stands_in_the_record_with_what_it_got():
    from rlvr_bench.methods.attestation import begin, observe

    case = Case(create({"type": "lora", "params": "5%"}), *FLOAT32)
    base = case.base()
    method = resolve(case.method, base)
    observed = observe(base, method)
    record = begin(method, case.attach(base, method=method), observed)
    assert record.problems == [] and record.requested["params"] == "5%"
    assert record.budget.dial == "rank" and record.budget.value == record.requested["rank"] == method.rank
    assert record.budget.target == round(0.05 * record.total_parameters)
    assert record.budget.trainable == record.trainable_parameters
    assert abs(record.budget.trainable / record.budget.target - 1) < 0.3


def plugin(request) -> Iterator[str]:
    """The argument that loads the plug-in, unless the installed package has done so."""
    loaded = [module for _, module in request.config.pluginmanager.list_name_plugin()]
    if not any(getattr(module, "__name__", "") == "rlvr_bench.methods.pytest_plugin" for module in loaded):
        yield from ("-p", "rlvr_bench.methods.pytest_plugin")


def test_an_outside_package_checks_its_method_with_one_mark(pytester, request):
    pytester.makepyfile(
        """
        import pytest
        from typing import Literal
        from rlvr_bench.methods.full.full import Full

        class Mine(Full):
            type: Literal["mine"] = "mine"

            @property
            def depends_on_seed(self):
                return True

        @pytest.mark.conformance(Mine(), {"type": "full", "train": "linear"})
        def test_mine(conformance):
            conformance()
        """
    )
    result = pytester.runpytest_inprocess("--strict-markers", "-rA", "-p", "no:cacheprovider", *plugin(request))
    result.assert_outcomes(passed=2 * len(Suite.names) - 3, skipped=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "llama float32: depends_on_seed is True, but another seed gives the same start",
            "*PASSED*test_mine?mine: identity at start?*",
            "*PASSED*test_mine?full train=linear: save and load?*",
            "*FAILED*test_mine?mine: the seed decides the start?*",
        ]
    )


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ('@pytest.mark.conformance({"type": "fulll"})', "did you mean 'full'"),
        ("", "names no method; mark it"),
    ],
)
def test_the_plugin_says_what_is_wrong_with_a_mark(pytester, request, mark, words):
    pytester.makepyfile(f"import pytest\n{mark}\ndef test_mine(conformance):\n    conformance()\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *plugin(request))
    assert result.ret != 0
    assert words in result.stdout.str() + result.stderr.str()
