"""What a sweep does when, without Ray: its ``steps``, the ``schedule`` that says which runs next,
and a ``simulation`` of it against a clock.
"""
