"""GGUF files as base models: read and checked, converted once into the cache as safetensors.

In: the path of a file. Out: a folder that any base is loaded from. Reading the header imports no torch.
"""
