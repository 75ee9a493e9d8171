"""`python -m bench` is `rlvr-bench`."""

from rlvr_bench.cli.main import main

main()
