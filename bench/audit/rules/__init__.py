"""The rules that come with the package, a module a topic; `bench/audit/registry.py` lists them by name."""
