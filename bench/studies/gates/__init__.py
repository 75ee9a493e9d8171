"""The three gates of "The Path Not Taken" (arXiv 2511.08567): what RLVR does to the weights, and what it leaves alone.

In: evidence. Out: findings. Claims stand in `claims.toml`, the grids that decide them in `presets/`.
"""
