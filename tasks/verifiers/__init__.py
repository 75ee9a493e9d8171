"""Verifiers: from a completion and a gold answer to a verdict.

In: text that a model wrote, which is untrusted and never evaluated. Out: `Verdict`s; what a verifier could not decide
is "error", never "wrong".
"""
