"""How a service is opened, and the roles that its processes run in."""
