"""The enterprise 企业: known by its unified social credit code; its contact data are personal (domain.md §8)."""

from services.enterprise.domain.credit_code import check_credit_code
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.domain.refusal import Refusal
from shared.events import enterprise


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


class Enterprise(Aggregate):
    """An enterprise that may blow the whistle."""

    TOPIC = "enterprise.enterprise"

    credit_code: str
    name: str

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
        """A new enterprise under its code.

        Raises NotYourEnterprise, KeyEnterpriseNamedByOffice and what check_credit_code refuses.
        """
        check_credit_code(credit_code)
        if act.role == "enterprise" and act.by.unit != credit_code:
            raise NotYourEnterprise(credit_code=credit_code)
        if act.role == "enterprise" and key_enterprise:
            raise KeyEnterpriseNamedByOffice()
        return cls.begin(
            cls.Registered,
            act,
            id=stable_id("enterprise", credit_code),
            credit_code=credit_code,
            name=name,
            contact_name=contact_name,
            contact_phone=contact_phone,
            key_enterprise=key_enterprise,
        )

    @property
    def state(self) -> str:
        """It has only one."""
        return "registered"

    @property
    def number(self) -> str:
        """Its credit code."""
        return self.credit_code

    class Registered(enterprise.EnterpriseRegistered, Creation):
        def apply(self, company: "Enterprise") -> None:
            company.credit_code = self.credit_code
            company.name = self.name
