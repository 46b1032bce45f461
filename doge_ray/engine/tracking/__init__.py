"""MLflow: the ``tracker`` writes, the ``outbox`` keeps what it cannot take now."""
