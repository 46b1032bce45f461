"""Ray Tune and Optuna: an ``agenda`` makes the schedule's steps tasks, ``carry_out`` lets Tune give
them to its processes, a ``study`` draws from a ``space``, a ``trainable`` does a task, and the
``observer`` tells the ``diary`` what became of it.
"""
