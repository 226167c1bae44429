"""The enterprise 企业: known by its unified social credit code; its contact data are personal (domain.md §8)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.enterprise.domain.credit_code import check_credit_code
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.domain.refusal import Refusal
from shared.events import enterprise
from shared.events.matter import Secrecy


class NotYourEnterprise(Refusal):
    """企业只能登记自己：令牌所属企业不是 {credit_code}。
    An enterprise registers only itself; the token is not that of {credit_code}."""

    status = 403
    field = "credit_code"


class KeyEnterpriseNamedByOffice(Refusal):
    """重点企业由政府办公室认定，企业不能自行申报为重点企业。
    The government office says which enterprises are key enterprises; an enterprise cannot name itself one."""

    status = 403
    field = "key_enterprise"


@dataclass(frozen=True, kw_only=True)
class EnterpriseState:
    """企业: as registered; the contact data are tokens of personal data once they are stored."""

    credit_code: str
    name: str
    contact_name: str
    contact_phone: str
    key_enterprise: bool
    registered_at: datetime

    status: ClassVar[str] = "registered"
    secrecy: ClassVar[Secrecy] = "internal"

    @property
    def number(self) -> str:
        """Its credit code."""
        return self.credit_code

    @property
    def concerned(self) -> tuple[str, ...]:
        """The enterprise itself."""
        return (self.credit_code,)


evolve = Lifecycle(EnterpriseState, begins=enterprise.EnterpriseRegistered)


@evolve.register
def _(fact: enterprise.EnterpriseRegistered) -> EnterpriseState:
    return EnterpriseState(
        credit_code=fact.credit_code,
        name=fact.name,
        contact_name=fact.contact_name,
        contact_phone=fact.contact_phone,
        key_enterprise=fact.key_enterprise,
        registered_at=fact.happened_at,
    )


class Enterprise(Aggregate, lifecycle=evolve):
    """An enterprise that may blow the whistle."""

    TOPIC = "enterprise.enterprise"
    state: EnterpriseState

    @classmethod
    def register(
        cls,
        act: CommandContext,
        *,
        credit_code: str,
        name: str,
        contact_name: str = "",
        contact_phone: str = "",
        key_enterprise: bool = False,
    ) -> "Enterprise":
        """A new enterprise under its code."""
        check_credit_code(credit_code)
        if act.role == "enterprise" and act.by.unit != credit_code:
            raise NotYourEnterprise(credit_code=credit_code)
        if act.role == "enterprise" and key_enterprise:
            raise KeyEnterpriseNamedByOffice()
        return cls.begin(
            enterprise.EnterpriseRegistered,
            act,
            id=stable_id("enterprise", credit_code),
            credit_code=credit_code,
            name=name,
            contact_name=contact_name,
            contact_phone=contact_phone,
            key_enterprise=key_enterprise,
        )
