"""Grids of published papers as they were run: on models that want GPUs, to be planned here and run there."""
