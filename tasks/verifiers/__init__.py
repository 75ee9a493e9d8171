"""Verifiers: from a completion and a gold answer to a verdict.

In: text that a model wrote, which is untrusted and never evaluated. Out: `Verdict`s; what a verifier could not decide
is "error", never "wrong". `extraction` finds the answer, `spelling` and `numerals` read it, `forms` lists the normal
forms; `exact` compares numbers, short texts and options, `latex` everything that MATH asks for.
"""
