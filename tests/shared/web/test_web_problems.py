"""Everything that is an error is a problem document, never a 500 for a client's mistake."""

import io
import json

import pytest

from shared.domain.roles import Role

TASKS = "/api/v1/tasks"
TASK = f"{TASKS}/00000000-0000-0000-0000-000000000001"
GOOD = {"title": "修路", "due_on": "2021-03-05"}


def problem(answer, status, rule):
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert "Accept-Language" in answer.headers["Vary"]
    assert answer.headers["X-Request-ID"]
    document = answer.json
    assert set(document) == {"type", "title", "status", "detail", "instance", "rule", "errors"}
    assert (document["status"], document["rule"]) == (status, rule)
    assert document["type"] == f"/problems/{rule}"
    return document


def test_a_refusal_is_told_in_the_readers_language(toy):
    for language, expected, said in (
        ("zh-CN,zh;q=0.9", "zh", "任务 {7} 已办结"),
        ("en-GB", "en", "Task {7} is closed already"),
        ("fr", "zh", "任务 {7} 已办结"),
        ("*", "zh", "任务 {7} 已办结"),
    ):
        headers = {"Accept-Language": language, "Idempotency-Key": "closed"}
        answer = toy.call("POST", f"{TASK}/close", headers=headers)
        assert answer.headers["Content-Language"] == expected
        document = problem(answer, 409, "task-already-closed")
        assert document["detail"] == said
        assert document["instance"] == f"{TASK}/close"


def test_each_field_at_fault_is_named_with_dots_and_in_chinese(toy):
    body = {
        "due_on": "5 March",
        "colour": "red",
        "weight": "3",
        "kind": "其他",
        "urgency": "very",
        "state": "gone",
        "secret": 1,
        "follows": "x",
        "note": " ",
        "received_at": "2021-02-05T16:00:00",
        "supporters": [{"unit": "住建局"}, {"unit": "a\x07", "part": "x" * 201}],
    }
    document = problem(toy.call("POST", TASKS, json=body), 422, "content-not-acceptable")
    reasons = {error["field"]: error["reason"] for error in document["errors"]}
    assert reasons == {
        "title": "必须填写",
        "due_on": "不是有效的日期，应为 2021-03-05 这样的写法",
        "colour": "没有这个字段",
        "weight": "不是整数",
        "kind": "只能是：常规, 重点",
        "urgency": "只能是：一般（normal）, 紧急（urgent）",
        # What is open depends on the thing: a case, a notice or a part.
        "state": "只能是：open, 已免除（waived）",
        "secret": "不是 true 或 false",
        "follows": "不是有效的编号",
        "note": "不能为空白",
        "received_at": "不是带时区的有效时刻，例如 2021-02-05T16:00:00+08:00",
        "supporters.0.part": "必须填写",
        "supporters.1.unit": "含有不能使用的字符 U+0007",
        "supporters.1.part": "长度应在 1 与 200 之间",
    }
    english = toy.call("POST", TASKS, json=body, headers={"Accept-Language": "en"}).json["errors"]
    assert {
        "field": "supporters.1.unit",
        "reason": "Holds the character U+0007, which is not allowed",
    } in english
    assert {"field": "title", "reason": "Missing data for required field."} in english
    assert {"field": "urgency", "reason": "Must be one of: Normal (normal), Urgent (urgent)."} in english


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2021-02-30", "2021-02-30"),
        ("2021-13-01", "2021-13-01"),
        ("2023-02-29", "2023-02-29"),
        ("2100-02-29", "2100-02-29"),
        ("2021-00-10", "2021-00-10"),
        ("2021-04-31T10:00:00+08:00", "2021-04-31"),
    ],
)
@pytest.mark.parametrize(
    ("language", "reason"), [("zh", "没有 {day} 这一天"), ("en", "There is no day {day}")]
)
def test_a_day_that_does_not_exist_says_so(toy, written, day, language, reason):
    headers, expected = {"Accept-Language": language}, reason.format(day=day)
    for field in ("due_on", "received_at"):
        answer = toy.call("POST", TASKS, json={**GOOD, field: written}, headers=headers)
        assert problem(answer, 422, "content-not-acceptable")["errors"] == [
            {"field": field, "reason": expected}
        ]
    answer = toy.call("GET", TASKS, query_string={"due_from": written}, headers=headers)
    assert answer.json["errors"] == [{"field": "due_from", "reason": expected}]


@pytest.mark.parametrize("element", [3, "住建局", ["住建局"], True])
def test_a_list_element_of_the_wrong_type_is_told_the_right_one(toy, element):
    for language, reason in (("zh", "类型不对，应为对象"), ("en", "Must be an object.")):
        body = {**GOOD, "supporters": [{"unit": "住建局", "part": "路基"}, element]}
        answer = toy.call("POST", TASKS, json=body, headers={"Accept-Language": language})
        assert answer.json["errors"] == [{"field": "supporters.1", "reason": reason}]
        assert toy.call("POST", TASKS, json=[element], headers={"Accept-Language": language}).json[
            "errors"
        ] == [{"field": "body", "reason": reason}]


@pytest.mark.parametrize(
    ("raw", "status", "rule"),
    [
        (b"{", 400, "body-is-malformed"),
        (b"\xff\xfe", 400, "body-is-malformed"),
        (b"\xef\xbb\xbf{}", 400, "body-is-malformed"),
        (b'{"share": NaN}', 400, "body-is-malformed"),
        (b'{"share": -Infinity}', 400, "body-is-malformed"),
        (b'{"share": 1e999}', 400, "body-is-malformed"),
        (b'{"weight": ' + b"9" * 5000 + b"}", 400, "body-is-malformed"),
        (b'{"weight": 99999999999999999999}', 422, "content-not-acceptable"),
        (b'{"title": "a", "title": "b"}', 400, "body-is-malformed"),
        (b'{"title": "a\\u0000b"}', 422, "content-not-acceptable"),
        (b'{"title": "\\ud800"}', 422, "content-not-acceptable"),
        (b'{"\\ud800": 1}', 422, "content-not-acceptable"),
        (b"[" * 17 + b"1" + b"]" * 17, 422, "content-not-acceptable"),
        (b"[" * 100_000, 422, "content-not-acceptable"),
        (b"[" + b"1," * 20_000 + b"1]", 422, "content-not-acceptable"),
        (b"[]", 422, "content-not-acceptable"),
        (b"null", 422, "content-not-acceptable"),
        (b'"x"', 422, "content-not-acceptable"),
        (b"", 422, "content-not-acceptable"),
        (b'{"title": "t", "due_on": "9999-12-31"}', 422, "content-not-acceptable"),
        (b'{"title": "t", "due_on": "2021-02-30"}', 422, "content-not-acceptable"),
        (
            b'{"title": "t", "due_on": "2021-03-05", "received_at": "0001-01-01T00:00:00+14:00"}',
            422,
            "content-not-acceptable",
        ),
    ],
)
def test_no_body_is_a_server_error(toy, raw, status, rule):
    problem(toy.call("POST", TASKS, data=raw, content_type="application/json"), status, rule)
    assert toy.seen == []


def test_another_content_type_is_415(toy):
    problem(
        toy.call("POST", TASKS, data=b"title=x", content_type="text/plain"), 415, "body-type-not-supported"
    )
    problem(toy.call("POST", TASKS, data=b"{}"), 415, "body-type-not-supported")
    answer = toy.call("POST", "/api/v1/imports", role=Role.officer, json={})
    problem(answer, 415, "body-type-not-supported")


def test_a_body_for_a_route_without_one_is_refused_not_ignored(toy):
    answer = toy.call("POST", f"{TASK}/close", json={"force": True})
    assert problem(answer, 422, "content-not-acceptable")["errors"] == [
        {"field": "force", "reason": "没有这个字段"}
    ]
    assert toy.call("POST", f"{TASK}/close", json={}).status_code == 200
    assert toy.call("POST", f"{TASK}/close", data=b"x", content_type="text/plain").status_code == 415


def test_too_large_is_413_and_a_route_may_allow_more(toy):
    body = json.dumps({**GOOD, "note": "x" * 1_100_000})
    problem(toy.call("POST", TASKS, data=body, content_type="application/json"), 413, "body-too-large")
    for size, status in ((2_000_000, 200), (4_000_000, 413)):
        # By hand: werkzeug's test client leaves the temporary file of a large form open.
        start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="list.xlsx"\r\n\r\n'
        sent = {
            "data": start + b"x" * size + b"\r\n--b--\r\n",
            "content_type": "multipart/form-data; boundary=b",
        }
        assert toy.call("POST", "/api/v1/imports", role=Role.officer, **sent).status_code == status
    assert [size for size, _ in toy.seen] == [2_000_000]


def test_unknown_file_fields_are_refused(toy):
    data = {"file": (io.BytesIO(b"x"), "a.csv"), "other": (io.BytesIO(b"x"), "b.csv")}
    answer = toy.call("POST", "/api/v1/imports", role=Role.officer, data=data)
    assert problem(answer, 422, "content-not-acceptable")["errors"][0]["field"] == "other"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%EF%BC%91", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=weight", "sort"),
        ("unit=%00", "unit"),
        ("unit=%0A", "unit"),
        ("cursor=abc", "cursor"),
        ("at_least=toy", "at_least"),
        ("at_least=toy:99999999999999999999", "at_least"),
    ],
)
def test_a_faulty_query_is_422_and_names_its_parameter(toy, query, field):
    answer = toy.call("GET", f"{TASKS}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_query_where_none_is_taken_is_422(toy):
    answer = toy.call("POST", f"{TASK}/close?force=1")
    assert problem(answer, 422, "content-not-acceptable")["errors"][0]["field"] == "force"


def test_unknown_paths_and_bad_ids_are_404(toy):
    for path in ("/nowhere", f"{TASKS}/7", f"{TASKS}/x%00", "/api/v1//tasks", f"{TASKS}/", "/%ff"):
        problem(toy.call("GET", path), 404, "no-such-page")


def test_405_says_what_is_allowed(toy):
    answer = toy.call("DELETE", TASKS)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert toy.call("OPTIONS", TASKS).status_code == 405


def test_an_unexpected_error_is_logged_but_tells_nothing(toy, capture_logs):
    answer = toy.call("GET", "/api/v1/broken", role=Role.operator, headers={"X-Request-ID": "r-1"})
    document = problem(answer, 500, "unexpected")
    assert "12345" not in answer.text
    assert "r-1" in document["detail"]
    assert "the password is 12345" in capture_logs.getvalue()
    assert "Traceback" in capture_logs.getvalue()


def test_an_unavailable_database_is_503(toy, capture_logs):
    answer = toy.call("GET", "/api/v1/unavailable", role=Role.operator)
    problem(answer, 503, "store-unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "10.1.2.3" not in answer.text
    assert "10.1.2.3" in capture_logs.getvalue()
