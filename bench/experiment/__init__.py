"""From an experiment file to the cells that it asks for.

In: TOML (a preset's name or a path). Out: typed settings, a list of content-addressed cells, and what of them is done.
Imports neither torch nor transformers, so that `plan` and `--help` stay light.
"""
