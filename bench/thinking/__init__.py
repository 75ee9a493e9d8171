"""One-token verification and parallel thinking: how likely a running trace is to end correct, and what to do with it.

In: a plain transformers model, a task, `ThinkSettings`. Out: graded traces, trained probes, the accuracy of
voting, choosing and early stopping beside all tokens that they cost. What trained the model is not known here.
"""
