"""What the suite runs on: the local stack, the compose file, and the broker's dependencies (pom.xml)."""
