"""How well a model answers a task: greedy accuracy by lm-eval, and our own scoring of several samples per problem.

In: a plain transformers model, a task, `EvaluateSettings`, a generation backend. Out: one `Score` per task and split,
and every completion that it rests on. Base and tuned models go through the same path; base scores are computed once.
"""
