"""What every domain is written with: aggregates, refusals, the clock."""
