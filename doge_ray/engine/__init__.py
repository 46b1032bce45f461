"""Where the stages meet Ray, Optuna and MLflow.

Reading order: ``store`` (results by identity), ``work`` (what determines a stage, and doing it),
``trials`` (what happened to each), ``results`` (what a sweep's folder holds), ``search`` (Ray Tune
and Optuna), ``tracking`` (MLflow), ``cluster`` (the machines) and ``doctor`` (what is wrong with
them); ``prepare`` and ``sweep`` (one step after the other), ``parts`` (several sweeps in one
command), ``dry_run`` (what a sweep would cost).
"""

import gc
import os

# A process that imports this has 600,000 objects then, none of them garbage, and a step of a
# training leaves no cycle behind: to look for some as often as Python does is a fifth of a start.
gc.set_threshold(50_000, 20, 20)

# Read by Ray and MLflow when they are imported or started, so they stand before any import of them.
for _name, _value in {
    "RAY_AIR_NEW_OUTPUT": "0",  # progress is ours to print,
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results ours to keep,
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ours to handle,
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # and a restart reads the journal, not Tune's state
    "RAY_worker_niceness": "0",  # niced workers starve beside any other busy process
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # the default adds seconds to a short stage
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "120",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would tell a server of its makers'
}.items():
    os.environ.setdefault(_name, _value)
