"""Enterprises and their whistles 企业吹哨、部门报到 (measure 13): what may be decided, and the six rates."""

from services.enterprise.domain.clocks import Clocks, clocks_of
from services.enterprise.domain.credit_code import check_credit_code
from services.enterprise.domain.enterprise import Enterprise
from services.enterprise.domain.register import Concern, Register, matter_of
from services.enterprise.domain.whistle import Whistle, WhistleState

__all__ = [
    "Clocks",
    "Concern",
    "Enterprise",
    "Register",
    "Whistle",
    "WhistleState",
    "check_credit_code",
    "clocks_of",
    "matter_of",
]
