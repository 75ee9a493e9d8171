"""Whether stored results are what they say: checks of a results folder, and stored samples graded again.

In: a results folder and the cache. Out: faults, one sentence each; scores by today's verifiers. Imports no torch.
"""
