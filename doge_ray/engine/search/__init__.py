"""Ray Tune and Optuna: an ``agenda`` of the schedule's steps and what is ``to_do`` for each,
``carry_out`` lets Tune give the tasks to its processes, a ``study`` draws from a ``space``, a
``trainable`` does a task, and the ``observer`` tells what became of it, for the ``diary``.
"""
