"""From prompts to completions, for rollouts in training and for evaluation.

In: a plain transformers model, prompts as token ids, a seed. Out: sampled tokens with their log-probabilities.
Which problems are asked, and what an answer is worth, is decided by the callers (`train`, `evaluate`).
"""
