"""What methods, tasks and the harness share: settings that refuse what they do not know, and names that are looked up.

In: what a person wrote. Out: typed settings, a registered thing, or one sentence with the fix. Imports neither torch
nor anything else of this package, so that methods, tasks and the harness can all stand on it.
"""
