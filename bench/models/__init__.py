"""Base models: organisms shipped with the package, packaged real models, local folders and hub ids.

In: a `BaseConfig`. Out: a float32 model in eval mode with its tokenizer, and a fingerprint of its weights.
`config`, `catalog` and the fingerprint import no torch.
"""
