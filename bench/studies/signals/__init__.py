"""Which learning signal gives what: RLVR, SFT, RFT and RLHF at equal budgets, and whether it transfers.

In: evidence. Out: findings. Claims stand in `claims.toml`, the grids that decide them in `presets/`.
"""
