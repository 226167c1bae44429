"""Enterprises, with their contact data."""

from services.enterprise.domain.enterprise import evolve
from shared.readmodels.lifecycle import LifecycleView


class EnterprisesView(LifecycleView):
    """企业: every registered enterprise, with its contact data."""

    name = "enterprises"
    version = 2
    """1 had columns too short for tokens."""
    lifecycle = evolve
    indexed = ("credit_code", "name", "key_enterprise", "registered_at")
