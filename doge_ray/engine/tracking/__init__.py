"""MLflow: its ``server``, the ``tracker`` that writes, the ``outbox`` of what it cannot take now,
and the ``runs`` that are found again.
"""
