"""Our tasks for lm-evaluation-harness.

In: a task of this package. Out: the same problems, prompts and verifier as an lm-eval task, either built by
`adapter.lm_eval_task` or from the YAML files here (`lm-eval run --include_path .../tasks/lm_eval --tasks
rlvr_bench_chain`). lm_eval is imported in `adapter` only.
"""
