"""One-token verification: what a probe of the cache knows of a trace, and what it saves.

In: evidence. Out: findings. Claims stand in `claims.toml`.
"""
