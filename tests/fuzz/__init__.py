"""Damaged and hostile input: it is accepted, or refused with a clear message; nothing else.

One module per input. Each has the strategy that makes its cases, mostly valid documents with a few
parts spoilt, and a check, which is run inside ``box.boxed``: in time, without writing outside the
case's folder, without starting a process, opening a connection or loading a pickle.

``test_fuzz`` runs a small, fixed share of the cases with the other tests; ``make fuzz`` runs
thousands of each, by Hypothesis and then guided by coverage (Atheris).
"""
