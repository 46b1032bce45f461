"""The work of a sweep: what determines a stage, and doing it.

Reading order: ``assignment`` (what a trial is told), ``graph`` (what determines each stage),
``pipeline`` (from an assignment to a ``trial`` with its ticket and stages), ``jobs`` and
``training`` (fetch, compute, publish), ``workers`` (where jobs run), ``faults`` (what is tried
again).
"""
