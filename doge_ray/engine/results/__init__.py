"""What a sweep's folder holds: its ``folder`` and names, ``reading`` it back, ``writing`` tables,
tickets, models and pages; ``combined`` of several sweeps.
"""
