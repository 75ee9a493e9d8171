"""Verifiers: from a completion and a gold answer to a verdict.

In: text that a model wrote, which is untrusted and never evaluated. Out: `Verdict`s; what a verifier could not decide
is "error", never "wrong". `extraction` finds the answer, `claims` says whether the words around it state it, `spelling`
and `numerals` read it. `forms` lists the normal form of every kind of answer; `single_forms`, `group_forms` and
`interval_forms` read them. `exact` compares numbers, short texts and options, `latex` everything that MATH asks for.
"""
