"""What a service of the suite has beside its own log."""
