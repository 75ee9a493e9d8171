"""The conformance kit: what every fine-tuning method must do, as checks that name the tensor and the number.

In: a method's config. Out: one `Outcome` per check, found on tiny models in memory (Llama and Qwen2, float32 and
bfloat16) in seconds. `rlvr-bench methods check` prints them; outside packages have `methods.pytest_plugin`.
"""

from rlvr_bench.methods.conformance.suite import Outcome, Suite

__all__ = ["Outcome", "Suite"]
