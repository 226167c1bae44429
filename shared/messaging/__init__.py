"""From log to log: the relay, transports, the inbox of a consumer, reactions."""
