"""Problems, prompts, verifiers and rewards.

In: a task name and its settings. Out: `Problem`s in disjoint splits, prompts for them, verdicts on completions.
Knows nothing of models; imports no torch.
"""
