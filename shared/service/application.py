"""The application of one service of the suite: what its use cases may ask beside their own log."""

from datetime import timedelta
from functools import cached_property

from shared.application.application import Application, UseCase
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.log.recorded import NewestRecorded
from shared.personal_data.keystore import KeyStore
from shared.process.config import Config
from shared.readmodels.reference import Reference
from shared.readmodels.views import Views
from shared.rulebook import Rulebook


class ServiceApplication(Application):
    """A service's application with its reference data, its read models, the rulebook and the keys of personal data."""

    reference: Reference
    views: Views
    rulebook: Rulebook
    config: Config
    personal_data: KeyStore

    @cached_property
    def _newest_recorded(self) -> NewestRecorded:
        return NewestRecorded(self.log)

    def clock_is_behind(self, *, portions: int = 1) -> timedelta:
        """How far the clock stands before the newest moment that the log has recorded; zero unless it was set back."""
        return self._newest_recorded.ahead_of(self.clock(), portions=portions)

    def reference_from(self, views: Views) -> Reference:
        """The reference data, as ``views`` hold them."""
        return Reference(views)

    def attempt(self, act: CommandContext, use_case: UseCase) -> CommandResult:
        """See Application; everything that a use case reads from the read models is of one snapshot."""
        with self.views.snapshot():
            return use_case(act)
