"""Ray Tune and Optuna: an ``agenda`` of the schedule's steps and what is ``to_do`` for each, ``carry_out`` lets Tune give
them to its processes, a ``study`` draws from a ``space``, a ``trainable`` does a task, and the
``observer`` tells the ``diary`` what became of it.
"""
