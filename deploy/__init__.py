"""What the suite runs on: the local stack, the compose file, and the test broker's recipe."""
