"""Verdicts on published claims: what was claimed, how it is tested, and what the run records say.

In: results/claims/*.toml (written before the runs that decide them) and run records. Out: findings.json and
findings.md, derived and the same for the same records. Training and measuring are not its business.
"""
