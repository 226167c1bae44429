import copy
import csv
import pickle
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import VOCABULARY
from shared.events.matter import MatterFact
from shared.rulebook import (
    MANDATORY,
    BadRulebook,
    UnknownRule,
    WarningPoint,
    load_rulebook,
    parse_rulebook,
)

SHIPPED = load_rulebook()
LINES = SHIPPED.text.split("\n")
HEADER = next(number for number, line in enumerate(LINES, start=1) if line.startswith("id,"))
COLUMNS_THERE = LINES[HEADER - 1].split(",")
VERSION_1 = (Path(__file__).parent / "version_1.csv").read_text("utf-8")
VERSION_2 = (Path(__file__).parent / "version_2.csv").read_text("utf-8")
VERSION_3 = (Path(__file__).parent / "version_3.csv").read_text("utf-8")


def line_of(rule_id: str) -> int:
    return next(number for number, line in enumerate(LINES, start=1) if line.startswith(f"{rule_id},"))


def with_cell(rule_id: str, column: str, value: str) -> str:
    """The shipped text with one cell of one rule written anew."""
    cell = dict(zip(COLUMNS_THERE, next(csv.reader([LINES[line_of(rule_id) - 1]])), strict=True))
    cell[column] = value
    lines = list(LINES)
    lines[line_of(rule_id) - 1] = ",".join(f'"{cell[name]}"' for name in COLUMNS_THERE)
    return "\n".join(lines)


def refused(text: str) -> BadRulebook:
    with pytest.raises(BadRulebook) as bad:
        parse_rulebook(text, "甲.csv", of_this_release=True)
    assert bad.value.source == "甲.csv"
    assert bad.value.status == 422
    for language in ("zh", "en"):
        assert "甲.csv" in bad.value.text(language)
        assert str(bad.value.line) in bad.value.text(language)
    assert bad.value.reason in bad.value.text("en")
    return bad.value


def test_the_shipped_rulebook_holds_every_clock_of_the_fifteen_measures():
    assert SHIPPED.version == 4
    assert SHIPPED.effective == date(2021, 1, 1)
    assert set(MANDATORY) <= {rule.id for rule in SHIPPED}
    assert {rule.measure for rule in SHIPPED} >= {1, 2, 3, 7, 8, 9, 10, 13, 14}


@pytest.mark.parametrize(
    ("rule_id", "measure", "length", "unit"),
    [
        ("arrange", 8, 2, "working_day"),
        ("decompose", 8, 1, "working_day"),
        ("feedback", 8, 2, "working_day"),
        ("task_due", 7, 10, "own_date"),
        ("acknowledge", 7, 2, "working_day"),
        ("return_within", 7, 1, "working_day"),
        ("half_month_report", 9, 1, "half_month"),
        ("trip_report", 9, 5, "working_day"),
        ("round_answer", 10, 3, "own_date"),
        ("objection_window", 10, 3, "working_day"),
        ("remind_main_leader", 10, 1, "working_day"),
        ("acknowledgement_expires", 10, 3, "working_day"),
        ("contact", 13, 1, "working_day"),
        ("resolve_or_confirm", 13, 3, "working_day"),
        ("hard_limit", 13, 30, "working_day"),
        ("rating_window", 13, 5, "working_day"),
        ("service_day", 14, 1, "month_first_working_day"),
        ("quota_group_study", 1, 1, "quarter"),
        ("quota_lecture", 1, 1, "year"),
        ("quota_article", 1, 1, "year"),
        ("theory_session", 2, 1, "month"),
        ("research_topic", 3, 1, "year"),
    ],
)
def test_each_clock_has_the_length_that_the_measures_give_it(rule_id, measure, length, unit):
    rule = SHIPPED.rule(rule_id)
    assert (rule.measure, rule.length, rule.unit) == (measure, length, unit)


def test_contact_never_pauses_and_the_hard_limit_ends_at_thirty_working_days():
    assert not SHIPPED.rule("contact").pausable
    assert SHIPPED.rule("hard_limit").cap == 30


def test_the_main_leader_is_told_only_after_the_second_round():
    rule = SHIPPED.rule("arrange")
    assert dict(rule.ladder) == {
        "approaching": ("officer",),
        "missed": ("unit_head",),
        "round1": ("unit_head", "vice_leader"),
        "round2": ("main_leader",),
    }
    assert rule.warnings == (WarningPoint(percent=50), WarningPoint(percent=80))
    assert rule.name("zh") == "布置落实"
    assert rule.name("en") == "Arrange"


def test_rules_come_in_the_order_of_the_file():
    ids = [line.split(",")[0] for line in LINES[HEADER:] if line]
    assert [rule.id for rule in SHIPPED] == ids
    assert len(SHIPPED) == len(ids)
    assert "contact" in SHIPPED
    assert "lunch" not in SHIPPED


def test_the_text_of_a_rulebook_parses_to_the_same_rulebook():
    assert parse_rulebook(SHIPPED.text, "event") == SHIPPED
    assert pickle.loads(pickle.dumps(SHIPPED)) == SHIPPED
    assert copy.deepcopy(SHIPPED) == SHIPPED


def test_an_unknown_rule_is_refused_with_the_ids_that_there_are():
    with pytest.raises(UnknownRule) as unknown:
        SHIPPED.rule("lunch")
    assert (unknown.value.status, unknown.value.field) == (422, "rule")
    for language in ("zh", "en"):
        assert "lunch" in unknown.value.text(language)
        assert "hard_limit" in unknown.value.text(language)


@pytest.mark.parametrize(
    ("rule_id", "column", "value", "reason"),
    [
        ("arrange", "id", "Arrange", "snake_case"),
        ("arrange", "id", "", "id is empty"),
        ("arrange", "id", "feedback", "already"),
        ("arrange", "measure", "16", "no measure 16"),
        ("arrange", "measure", "0", "at least 1"),
        ("arrange", "measure", "", "measure is empty"),
        ("arrange", "name_zh", "", "name_zh is empty"),
        ("arrange", "stops_at", "A;;B", "empty name"),
        ("arrange", "length", "-2", "at least 1"),
        ("arrange", "length", "0", "at least 1"),
        ("arrange", "length", "two", "whole number"),
        ("arrange", "length", "２", "whole number"),
        ("arrange", "length", "9" * 5000, "whole number"),
        ("arrange", "length", "", "length is empty"),
        ("arrange", "unit", "day", "bad unit"),
        ("arrange", "pausable", "maybe", "not yes or no"),
        ("arrange", "pausable", "", "not yes or no"),
        ("arrange", "cap", "1", "beyond the cap"),
        ("arrange", "max_extensions", "-1", "at least 0"),
        ("arrange", "warnings", "50", "neither like"),
        ("arrange", "warnings", "100%", "neither like"),
        ("arrange", "warnings", "0%", "neither like"),
        ("arrange", "warnings", "50%;", "neither like"),
        ("arrange", "warnings", "2wd;2wd", "twice"),
        ("arrange", "answers_for", "nobody", "answers_for"),
        ("arrange", "ladder", "missed", "does not begin with"),
        ("arrange", "ladder", "round3:main_leader", "does not begin with"),
        ("arrange", "ladder", "missed:", "tells ''"),
        ("arrange", "ladder", "missed:mayor", "tells 'mayor'"),
        ("arrange", "ladder", "missed:officer missed:unit_head", "twice"),
        ("task_due", "cap", "30", "needs unit working_day"),
        ("half_month_report", "length", "2", "which has 1"),
        ("half_month_report", "pausable", "yes", "cannot be pausable"),
        ("incident", "pausable", "yes", "cannot be pausable"),
        ("incident", "warnings", "50%", "no warnings"),
        ("contact", "pausable", "yes", "never pausable"),
        ("contact", "length", "2", "at most 1"),
        ("contact", "unit", "minute", "no warnings"),
        ("hard_limit", "cap", "31", "at most 30"),
        ("hard_limit", "cap", "", "needs a cap"),
        ("hard_limit", "length", "31", "beyond the cap"),
        ("arrange", "starts_at", "DirectiveRegisterd", "starts_at: there is no fact 'DirectiveRegisterd'"),
        ("arrange", "stops_at", "ArrangementReported;Arranged", "stops_at: there is no fact 'Arranged'"),
        ("round_answer", "stops_at", "RoundSignd", "there is no fact"),
        ("arrange", "starts_at", "UnitRegistered", "does not say which matter it belongs to"),
        ("arrange", "closes_at", "RoundSigned", "does not say which matter it belongs to"),
        ("arrange", "stops_at", "TaskClosed", "about different matters: duty, task"),
        ("half_month_report", "owed_by", "departments;villages", "owed_by is 'villages'"),
        ("half_month_report", "credit", "poem", "credit is 'poem'"),
        ("half_month_report", "credit", "", "needs the kind of credit"),
        ("half_month_report", "starts_at", "TaskAssigned", "name no facts"),
        ("half_month_report", "owed_from", "2021-03-32", "is no day"),
        ("half_month_report", "required", "0", "at least 1"),
        ("half_month_report", "prorated", "perhaps", "not yes or no"),
        ("half_month_report", "prorated", "yes", "not part of this release"),
        ("arrange", "owed_by", "departments", "needs a period"),
    ],
)
def test_a_bad_line_is_stopped_with_file_line_and_reason(rule_id, column, value, reason):
    bad = refused(with_cell(rule_id, column, value))
    # The second of two equal ids is the one at fault.
    assert bad.line == (line_of("feedback") if value == "feedback" else line_of(rule_id))
    assert reason in bad.reason


def test_what_is_owed_for_a_period_starts_with_it_and_stops_with_its_credits():
    rule = SHIPPED.rule("half_month_report")
    assert rule.owed_by == ("departments", "towns_and_zone")
    assert (rule.starts_at, rule.stops_at) == (("DutyArose",), ("DutyCredited", "DutyAdjusted"))
    assert (rule.required, rule.credit, rule.owed_from) == (1, "half_month_report", date(2021, 3, 16))


def test_version_4_differs_from_version_3_in_two_clocks_alone():
    before = parse_rulebook(VERSION_3, "version 3", of_this_release=True)
    assert [rule for rule in SHIPPED if rule.id not in ("calendar_release", "duty_reassign")] == list(before)


def test_the_text_of_version_2_is_read_as_it_was_meant():
    before = parse_rulebook(VERSION_2, "version 2")
    assert not before.second_verifier
    assert {rule.fair_share for rule in before} == {50}
    assert not any(rule.moves_off_rest_days or rule.longest_extension for rule in before)
    assert {rule.id for rule in before} <= {rule.id for rule in SHIPPED}


def test_the_text_of_version_1_is_read_as_it_was_meant_though_it_names_what_was_never_built():
    first = parse_rulebook(VERSION_1, "log")
    assert (first.version, len(first)) == (1, 28)
    assert first.rule("half_month_report").starts_at == ("HalfMonthBegan",)
    assert not first.rule("half_month_report").owed_by
    for rule_id in ("arrange", "decompose", "feedback", "task_due", "acknowledge", "contact", "hard_limit"):
        one, now = first.rule(rule_id), SHIPPED.rule(rule_id)
        assert (one.stops_at, one.closes_at) == (now.stops_at, now.closes_at)
        assert set(one.starts_at) <= set(now.starts_at)
    assert "there is no fact 'HalfMonthBegan'" in refused(VERSION_1).reason


def test_every_fact_that_tells_its_matter_is_named_by_some_clock():
    named = {name for rule in SHIPPED for name in (*rule.starts_at, *rule.stops_at, *rule.closes_at)}
    told = {fact.__name__ for fact in VOCABULARY.values() if issubclass(fact, MatterFact)}
    assert told <= named


@pytest.mark.parametrize("rule_id", MANDATORY)
def test_a_rulebook_without_a_mandatory_clock_is_refused(rule_id):
    bad = refused("\n".join(line for line in LINES if not line.startswith(f"{rule_id},")))
    assert rule_id in bad.reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("id,measure", "id,colour,measure", "unknown column 'colour'"),
        ("id,measure", "id,id,measure", "column 'id' twice"),
        (",ladder", "", "column 'ladder' missing"),
        ("id,measure", "measure,id", "first column"),
    ],
)
def test_the_columns_must_be_the_ones_that_are_known(old, new, reason):
    lines = list(LINES)
    lines[HEADER - 1] = lines[HEADER - 1].replace(old, new)
    bad = refused("\n".join(lines))
    assert (bad.line, reason in bad.reason) == (HEADER, True)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("# version: 4", "# version: one", 1, "cannot be read"),
        ("# version: 4", "# version: 0", 1, "cannot be read"),
        ("# version: 4", "#", 1, "no line '# version:'"),
        ("# effective: 2021-01-01", "# effective: 1 January", 2, "cannot be read"),
        ("# effective: 2021-01-01", "# effective: 2021-02-30", 2, "no day"),
        ("# effective: 2021-01-01", "#", 1, "no line '# effective:'"),
        ("# effective: 2021-01-01", "# effective: 2021-01-01\n# version: 5", 3, "line 1 already"),
    ],
)
def test_version_and_effective_day_must_be_stated_once(old, new, line, reason):
    bad = refused(SHIPPED.text.replace(old, new))
    assert (bad.line, reason in bad.reason) == (line, True)


def test_a_line_with_a_cell_too_many_or_an_open_quotation_mark_is_refused_where_it_stands():
    lines = list(LINES)
    lines[HEADER] += ",more"
    bad = refused("\n".join(lines))
    assert (bad.line, f"{len(COLUMNS_THERE) + 1} cells" in bad.reason) == (HEADER + 1, True)
    lines[HEADER] = 'arrange,8,"布置'
    bad = refused("\n".join(lines))
    assert (bad.line, "not a CSV line" in bad.reason) == (HEADER + 1, True)


def test_an_empty_file_and_one_without_column_names_are_refused():
    assert refused("").line == 1
    assert "column names" in refused("# version: 1\n# effective: 2021-01-01\n").reason


def test_what_a_spreadsheet_program_adds_on_saving_changes_no_rule():
    saved = "\ufeff" + SHIPPED.text.replace("# version: 4", "# version: 4,,,").replace(
        "# length, cap", '"# length, cap'
    ).replace("\n", "\r\n")
    assert parse_rulebook(saved, "saved").rules == SHIPPED.rules


def test_a_file_that_is_not_utf_8_is_refused_at_the_line_where_it_stops_being_so(tmp_path: Path):
    path = tmp_path / "gbk.csv"
    path.write_bytes(SHIPPED.text.encode("gbk"))
    with pytest.raises(BadRulebook) as bad:
        load_rulebook(path)
    assert (bad.value.source, bad.value.line, bad.value.reason) == (str(path), 4, "not UTF-8")


def test_a_rulebook_can_be_loaded_from_a_file_of_ones_own(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text(with_cell("trip_report", "length", "10").replace("version: 4", "version: 5"), "utf-8")
    mine = load_rulebook(path)
    assert (mine.version, mine.rule("trip_report").length) == (5, 10)


# A busy machine is no defect of the parser.
@settings(deadline=None)
@given(text=st.text(max_size=200), place=st.integers(min_value=0, max_value=20_000))
def test_whatever_is_written_into_the_file_it_is_a_rulebook_or_refused_by_name(text: str, place: int):
    place %= len(SHIPPED.text)
    # Any other exception fails the test.
    with suppress(BadRulebook):
        book = parse_rulebook(SHIPPED.text[:place] + text + SHIPPED.text[place:], "甲.csv")
        assert set(MANDATORY) <= {rule.id for rule in book}
