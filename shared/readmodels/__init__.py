"""Read models: views, their store, and the reference data of every service."""
