"""What every process has: configuration, logs, metrics, files."""
