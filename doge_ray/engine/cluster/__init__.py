"""The machines: ``start`` on them, ``capacity``, ``submission`` from outside, and the ``notice`` of
those that are taken away.
"""
