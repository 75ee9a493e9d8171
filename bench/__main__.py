"""`python -m bench` is `rlvr-bench`."""

from bench.cli import main

main()
