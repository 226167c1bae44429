"""Random histories of a matter: aggregate and read models agree, and ``may`` says what is not refused."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain import Digest, Matter, Recipient
from services.notify.domain.digest import evolve as evolve_digest
from services.notify.views import EscalationsView, NoticesView, TimersView
from shared.domain.aggregate import stable_id
from shared.domain.clock import local_day
from shared.domain.guards import open_to
from shared.domain.refusal import Refusal
from shared.events import notify
from shared.testing import an_act, folded, rows_of, shanghai

HEAD, LEADER = Recipient(unit="fgw", post="fgw/head"), Recipient(unit="gov", post="gov/main-leader")
CASE = stable_id("test-case", 1)
NOW = shanghai("2021-03-08 09:00")

rounds = st.integers(1, 4)
posts = st.sampled_from([HEAD.post, LEADER.post, "czj/head"])
choices = st.integers(0, 5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), rounds),
        st.tuples(st.just("deliver"), choices),
        st.tuples(st.just("withdraw"), rounds),
        st.tuples(st.just("escalate"), rounds),
        st.tuples(st.sampled_from(["remind", "expire", "progress", "close", "resolve"]), st.just(0)),
        st.tuples(st.just("aside"), rounds),
        st.tuples(st.just("hand_over"), st.sampled_from(["czj", "fgw"])),
        st.tuples(st.just("pin"), rounds),
        st.tuples(st.just("read"), st.tuples(choices, posts)),
        st.tuples(st.just("read_escalation"), posts),
    ),
    max_size=30,
)
said = {"subject": "题", "text": "文"}


def followed() -> Matter:
    return Matter.begin(
        notify.MatterFollowed,
        an_act(NOW),
        Matter.id_of(CASE),
        case_id=CASE,
        kind="task",
        number="2021-1",
        title="道路",
        unit="fgw",
        post="fgw/officer",
        supporters=("czj",),
        leader_post=None,
        secrecy="internal",
        rulebook_version=1,
    )


def carried_out(decision: Any, matter: Matter, state: Any, act: Any, **what: Any) -> None:
    """The decision; that it is open to the actor says whether it is refused."""
    may, version = open_to(decision, state, act, {}), matter.version
    try:
        decision(matter, act, **what)
    except Refusal:
        refused = True
    else:
        refused = False
    assert may is not refused
    assert (matter.version == version) is refused


@settings(max_examples=200, deadline=None)
@given(steps)
def test_after_random_histories_the_aggregate_and_the_read_models_agree(
    sequence: list[tuple[str, Any]],
) -> None:
    matter, now = followed(), NOW
    events = list(matter.collect_events())
    for command, arg in sequence:
        now += timedelta(hours=7)
        act = an_act(now, "duban", "notify", "")
        notices, later = [*matter.state.notices], now + timedelta(days=1)
        match command:
            case "tell":
                what: Any = {"cycle": arg, "level": "round1", "colour": "yellow", "not_before": now}
                matter.tell(act, to=HEAD, clock="round_answer", **what, **said)
            case "deliver" if notices:
                matter.deliver(act, notice_id=notices[arg % len(notices)], reference="x.eml")
            case "withdraw":
                matter.withdraw_of_clock(act, "round1", ground="撤", clock="round_answer", cycle=arg)
            case "escalate":
                matter.escalate(act, to=LEADER, round=arg, not_before=now, next_reminder_at=later, **said)
            case "remind":
                matter.remind(act, not_before=now, next_reminder_at=later, **said)
            case "expire":
                matter.expire(act, next_reminder_at=later)
            case "progress":
                matter.see_progress(act, what="进展", expires_at=now + timedelta(days=3))
            case "close":
                matter.close(act, ground="结案")
            case "resolve":
                matter.resolve_round(act, ground="解决")
            case "aside":
                matter.end_round(act, round=arg, ground="作废")
            case "hand_over":
                matter.hand_over(act, unit=arg, post=None)
            case "pin":
                matter.pin(act, rulebook_version=arg)
            case "read" if notices:
                notice_id, by = notices[arg[0] % len(notices)], an_act(now, "gov", arg[1])
                notice, until = matter.state.notices[notice_id], local_day(now) + timedelta(days=1)
                carried_out(Matter.acknowledge, matter, notice, by, notice_id=notice_id, expires_on=until)
            case "read_escalation" if matter.state.status:
                by, until = an_act(now, "gov", arg), local_day(now) + timedelta(days=1)
                carried_out(Matter.acknowledge_escalation, matter, matter.state, by, expires_on=until)
        events += matter.collect_events()
    state, key = matter.state, str(matter.id)
    assert rows_of(EscalationsView, "notify", events) == {key: replace(state, notices={})}
    assert rows_of(NoticesView, "notify", events) == {str(id_): one for id_, one in state.notices.items()}
    timers = {id_: row["due_at"] for id_, row in folded(TimersView, "notify", events).items()}
    assert timers == ({} if state.due_at is None else {key: state.due_at})
    assert state.escalated == bool(state.told) == (state.due_at is not None)
    again: Any = None
    for event in events:
        again = event.mutate(again)
    assert (again.state, again.version) == (state, matter.version)


def test_a_digest_is_a_notice_that_leaves_once() -> None:
    act = an_act(NOW, "duban", "notify", "")
    digest = Digest.send(act, to=HEAD, day=date(2021, 3, 8), **said)
    for _ in range(2):
        digest.deliver(act, notice_id=digest.id, reference="x.eml")
    events = list(digest.collect_events())
    assert [type(event).TOPIC for event in events] == [*evolve_digest.facts][::-1]
    assert rows_of(NoticesView, "notify", events) == {str(digest.id): digest.state}
    assert folded(NoticesView, "notify", events)[str(digest.id)]["matter"] == str(digest.id)


def test_a_stale_reader_is_told_before_the_state_is_looked_at() -> None:
    matter = followed()
    what: Any = {"cycle": 1, "level": "round1", "colour": "yellow", "not_before": NOW}
    matter.tell(an_act(NOW), to=HEAD, clock="round_answer", **what, **said)
    [(notice_id, notice)] = matter.state.notices.items()
    assert notice.version == 2
    matter.deliver(an_act(NOW), notice_id=notice_id, reference="x.eml")
    seen = an_act(NOW, "fgw", HEAD.post, expected_version=2)
    matter.acknowledge(seen, notice_id=notice_id, expires_on=date(2021, 3, 9))
    assert matter.state.notices[notice_id].version == 4
