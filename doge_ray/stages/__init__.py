"""The work itself, in plain torch: train, score, count activations, evaluate.

Nothing here knows Ray or MLflow. Several processes take part through ``torch.distributed``
(``world``); the outside is told through a plain callback.

Reading order: ``train`` (the routine) over ``training`` (its steps) as a ``recipe`` says, with
``gradients`` of ``losses``; ``score``, ``activations`` and ``evaluate``, each a pass over a split
(``passes``); ``authors_code`` (scores as the paper's code has them), ``score_table`` (on disk);
``precision``, ``memory``, ``snapshots`` (what a machine can do, and what outlives it).
"""
