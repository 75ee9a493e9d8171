"""From prompts to completions, for rollouts in training and for evaluation.

In: a plain transformers model, prompts as token ids, a seed. Out: sampled tokens with their log-probabilities.
Which prompts are completed, and how a completion is scored, is decided by the callers (`train`, `evaluate`).
"""
