"""Ray Tune and Optuna: a ``study`` draws from a ``space``, a ``trainable`` trains, the ``observer``
writes down what became of it.
"""
