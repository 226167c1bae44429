"""Figures 指标: one type, one way to count, show and refuse (domain.md §7). Every service counts with these."""
