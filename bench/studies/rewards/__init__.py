"""Spurious rewards (arXiv 2506.10947): what random, wrong and noisy rewards do to different base models.

In: evidence. Out: findings. Claims stand in `claims.toml`, the grids that decide them in `presets/`.
"""
