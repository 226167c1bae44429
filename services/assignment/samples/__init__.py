"""Sample data that the project ships: the units of a banner, and the notice's obligations as a task list."""
