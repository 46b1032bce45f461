"""The machines: ``start`` on them, ``capacity``, ``submission`` from outside, the doctor's
``checkup``, and the ``notice`` of those that are taken away.
"""
