"""The four services, and what puts them together."""

from shared.process.gc_tuning import tune_gc

tune_gc()  # importing them makes a hundred thousand objects, and no garbage
