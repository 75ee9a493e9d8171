"""The registry of fine-tuning methods: which parameters may move, and proof that only those did.

In: a transformers model and a method's config. Out: a `Handle` to train, roll out, measure, export and attest.
Knows nothing of tasks or of the harness.
"""

from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.registry import create, describe, names

__all__ = ["Method", "MethodError", "create", "describe", "names"]
