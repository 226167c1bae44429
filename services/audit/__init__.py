"""The auditor's questions to the whole suite: proof, as-of, why, replay, diff, recount (审计)."""

import click


@click.group()
def audit() -> None:
    """审计 Prove the logs whole, and ask them: as-of, why, replay, diff, recount."""
