"""Who may: the roles of a post, and the groups that rules name. Each stands here once."""

from enum import StrEnum


class Role(StrEnum):
    """角色: what a post may do in the suite."""

    main_leader = "main_leader"
    vice_leader = "vice_leader"
    government_office = "government_office"
    supervision_office = "supervision_office"
    unit_head = "unit_head"
    officer = "officer"
    enterprise = "enterprise"
    overseer = "overseer"
    operator = "operator"
    auditor = "auditor"


LEADERS = (Role.main_leader, Role.vice_leader)
OFFICES = (Role.government_office, Role.supervision_office)
UNITS = (Role.unit_head, Role.officer)
ON_TASK = (*UNITS, *OFFICES)
"""Whoever may act for a unit on a task; the offices carry tasks too. Whose unit it is, is the domain's rule."""
ON_WHISTLE = (*UNITS, Role.government_office)
"""Whoever may act for a unit that has a whistle in hand; the desk is a government office."""
GOVERNMENT = (*LEADERS, *OFFICES)
"""The leaders and the two offices: they decompose what was decided (domain.md §4.2), and see people's names."""
JUDGES = (Role.supervision_office, *LEADERS)
"""Whoever judges what units report, and lets a task rest."""
DISPATCHERS = (Role.government_office, *LEADERS)
"""Whoever says which unit takes something on."""
CLERKS = (Role.government_office, Role.operator)
"""Whoever keeps the register of units and posts."""
ALL_SEEING = (*LEADERS, Role.supervision_office)
"""The leaders and the supervision office see secret items too (domain.md §8)."""
IN_HANDS = (Role.government_office, *UNITS, Role.enterprise)
"""Whoever sees a secret item if it concerns their unit."""
EVERYBODY = tuple(Role)
READERS = (*LEADERS, *OFFICES, *UNITS, Role.overseer, Role.auditor)
"""Whoever may read at all; which rows they see is decided row by row."""
