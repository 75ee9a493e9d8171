"""An audit of a run that was made elsewhere: is it the method that it claims, is its log healthy, what does it show?

In: a base, an adapter folder or checkpoint, a trainer's log and completions, all untrusted. Out: a finding per rule,
as JSON and as a page. Rules are plug-ins.
"""
