"""Load, decide, commit: what every service's use cases are built on."""
