"""Training a cell: one module per learning signal, and the recorder of its stability.

In: a method's handle, a task, a reward, settings, a rollout backend. Out: the trained handle and one record per step.
TRL does the learning; this package adds rollouts on the method's true weights, the KL to the true base, and guards.
"""
