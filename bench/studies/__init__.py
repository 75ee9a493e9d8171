"""Verdicts on published claims: what was claimed, how it is tested, and what the run records say.

In: a folder per topic with claims.toml (written before the runs that decide them), presets and analyses; run records.
Out: findings.json and findings.md, the same for the same records. The core never imports it.
"""
