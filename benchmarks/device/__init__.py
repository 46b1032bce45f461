"""What ``benchmarks.gpu`` measures on one device. Nothing here needs Ray, MLflow, or any data."""
