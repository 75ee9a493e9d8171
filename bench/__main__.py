"""`python -m rlvr_bench` is `rlvr-bench`."""

from rlvr_bench.cli.entry import main

main()
