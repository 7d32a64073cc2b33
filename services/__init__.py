"""The servers' side: queue, worker, CLI, S3 store, MLflow tracking, embedded stack, settings."""
