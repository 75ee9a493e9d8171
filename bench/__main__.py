"""`python -m bench` is `rlvr-bench`."""

from bench.cli.main import main

main()
