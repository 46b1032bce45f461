"""What a sweep's folder holds: its ``folder`` and names, ``reading`` it back, ``writing`` tables
and pages, tickets and ``models``; ``combined`` of several sweeps.
"""
