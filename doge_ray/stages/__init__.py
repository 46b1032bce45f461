"""The work itself, in plain torch: train, score, count activations, evaluate.

Nothing here knows Ray or MLflow. Several processes take part through ``torch.distributed``
(``world``); the outside is told through a plain callback.
"""
