"""What a service's routes are written with."""

import io
import json
import re
from types import SimpleNamespace

import pytest
from marshmallow import ValidationError

from shared.domain.roles import Role
from shared.web.http import NotThereYet, decode_cursor, encode_cursor, wait_for_positions

TASKS = "/api/v1/tasks"
TASK = f"{TASKS}/00000000-0000-0000-0000-000000000001"
GOOD = {"title": "修路", "due_on": "2021-03-05"}


def test_a_write_answers_id_version_and_position(toy):
    answer = toy.call("POST", TASKS, json=GOOD)
    assert answer.status_code == 201
    assert set(answer.json) == {"id", "version", "position", "state", "number"}
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Duban-Position"] == "toy:7"
    assert answer.headers["Location"] == f"{TASKS}/{answer.json['id']}"
    assert "Idempotency-Replayed" not in answer.headers


def test_the_view_knows_who_asks_and_when(toy, now):
    headers = {"X-Request-ID": "r-7", "Idempotency-Key": "k", "If-Match": '"3"', "Accept-Language": "en"}
    sent = {**GOOD, "received_at": "2021-02-05T16:00:00+08:00"}
    with toy.client:  # the request stays: its language is found when somebody asks
        assert toy.call("POST", TASKS, json=sent, headers=headers).status_code == 201
        body, asked = toy.seen[0]
        assert asked.language == "en"
    assert body["received_at"] == now
    assert (asked.identity.post, asked.identity.unit, asked.identity.role) == (
        "发改委主任",
        "发改委",
        Role.unit_head,
    )
    assert (asked.request_id, asked.now) == ("r-7", now)
    assert (asked.idempotency_key, asked.expected_version) == ("k", 3)


def test_a_replayed_answer_says_so(toy):
    answer = toy.call("POST", f"{TASK}/close", headers={"Idempotency-Key": "again"})
    assert answer.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (None, "idempotency-key-missing"),
        ("", "idempotency-key-malformed"),
        ("a b", "idempotency-key-malformed"),
        ("x" * 101, "idempotency-key-malformed"),
    ],
)
def test_a_write_without_a_proper_key_is_400(toy, given, rule):
    headers = {"Authorization": f"Bearer {toy.token()}"}
    if given is not None:
        headers["Idempotency-Key"] = given
    answer = toy.client.post(f"{TASK}/close", headers=headers)
    assert (answer.status_code, answer.json["rule"]) == (400, rule)


@pytest.mark.parametrize(
    ("match", "status"),
    [
        ('"3"', 200),
        ("*", 200),
        ('"2"', 412),
        ('W/"3"', 400),
        ("3", 400),
        ('"3", "4"', 400),
        ('"-1"', 400),
        ("", 400),
    ],
)
def test_if_match(toy, match, status):
    answer = toy.call("POST", f"{TASK}/close", headers={"If-Match": match})
    assert answer.status_code == status
    if status == 412:
        assert answer.json["rule"] == "version-is-stale"


def fingerprints(toy, path, *requests, role=Role.unit_head):
    for request in requests:
        assert toy.call("POST", path, role=role, **request).status_code in (200, 201)
    return [asked.fingerprint for _, asked in toy.seen]


def test_the_fingerprint_follows_the_meaning_of_the_body_not_its_bytes(toy):
    reordered = {
        "data": json.dumps(dict(reversed(GOOD.items())), indent=3),
        "content_type": "application/json",
    }
    one, same, other = fingerprints(toy, TASKS, {"json": GOOD}, reordered, {"json": {**GOOD, "weight": 2}})
    assert one == same != other
    assert re.fullmatch("[0-9a-f]{64}", one)


def test_a_whole_number_is_the_same_number_with_a_point(toy):
    parts = [{"unit": "fgw", "part": "一"}]
    spelled = [
        {"weight": 3, "share": 2, "supporters": parts},
        {"weight": 3.0, "share": 2.0, "supporters": parts},
        {"supporters": parts, "share": 20e-1, "weight": 0.3e1},
    ]
    found = fingerprints(toy, TASKS, *({"json": {**GOOD, **one}} for one in spelled))
    assert len(set(found)) == 1
    assert [repr(body["weight"]) for body, _ in toy.seen] == ["3", "3", "3"]
    (other,) = fingerprints(toy, TASKS, {"json": {**GOOD, "weight": 3, "share": 2.5, "supporters": parts}})[
        3:
    ]
    assert other not in found
    assert toy.call("POST", TASKS, json={**GOOD, "weight": 3.5}).status_code == 422


def test_the_fingerprint_of_a_file_does_not_depend_on_the_boundary(toy):
    def part(boundary, content):
        lines = [
            f"--{boundary}",
            'Content-Disposition: form-data; name="file"; filename="a.csv"',
            "",
            content,
        ]
        return {
            "data": "\r\n".join([*lines, f"--{boundary}--", ""]).encode(),
            "content_type": f"multipart/form-data; boundary={boundary}",
        }

    sent = [part("aaa", "1"), part("bbb", "1"), part("aaa", "2")]
    one, same, other = fingerprints(toy, "/api/v1/imports", *sent, role=Role.officer)
    assert one == same != other
    assert [size for size, _ in toy.seen] == [1, 1, 1]


def test_a_list_is_read_page_by_page_to_its_end(toy):
    seen, cursor = [], ""
    for _ in range(3):
        answer = toy.call("GET", f"{TASKS}?limit=2{cursor}").json
        seen += [item["title"] for item in answer["items"]]
        cursor = f"&cursor={answer['next']}"
    assert seen == ["000", "001", "002", "003", "004"]
    assert answer["next"] is None


def test_a_cursor_returns_its_key_and_cannot_be_changed_or_used_elsewhere():
    cursor = encode_cursor(["2021-03-05", 7, None, "修路"], "due_on")
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert decode_cursor(cursor, "due_on") == ("2021-03-05", 7, None, "修路")
    changed = [
        cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(len(cursor) - 1)
    ]
    for text in (*changed, cursor[:-3], "", "é", "abc", encode_cursor([1], "other")):
        with pytest.raises(ValidationError):
            decode_cursor(text, "due_on")


def test_a_read_may_ask_for_a_position_and_is_refused_in_bounded_time(toy):
    assert toy.call("GET", f"{TASKS}?at_least=toy:7").status_code == 200
    assert toy.call("GET", TASKS, headers={"Duban-At-Least": "toy:6"}).status_code == 200
    for query in ("at_least=toy:8", "at_least=toy:7&at_least=other:1", "at_least=toy:7,other:1"):
        answer = toy.call("GET", f"{TASKS}?{query}")
        assert (answer.status_code, answer.json["rule"]) == (503, "not-there-yet")
        assert answer.headers["Retry-After"] == "1"


def test_waiting_ends_when_the_position_is_reached_or_time_is_up():
    log = SimpleNamespace(position=0, slept=0.0)

    def sleep(seconds):
        log.position += 1
        log.slept += seconds

    wait_for_positions({"toy": 3}, lambda _, position: position <= log.position, 2.0, sleep)
    assert log.position == 3
    log.slept = 0.0
    with pytest.raises(NotThereYet, match="other:1"):
        wait_for_positions(
            {"toy": 3, "other": 1},
            lambda source, position: source == "toy" and position <= log.position,
            2.0,
            sleep,
        )
    assert log.slept == pytest.approx(2.0)


def test_the_request_id_is_kept_if_sane_and_else_made(toy):
    assert toy.call("GET", TASKS, headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    for given in ("a b", "x" * 65, "修", ""):
        made = toy.call("GET", TASKS, headers={"X-Request-ID": given}).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", made)


def test_one_line_a_request_without_anything_personal(capture_logs: io.StringIO, toy):
    toy.call("POST", f"{TASK}/close?x=秘密", json={"y": "秘密"}, headers={"X-Request-ID": "r-1"})
    (line,) = capture_logs.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("ms") >= 0
    assert record.pop("timestamp")
    assert record == {
        "event": "request",
        "level": "info",
        "part": "http",
        "service": "toy",
        "request_id": "r-1",
        "method": "POST",
        "route": "/api/v1/tasks/<uuid:task_id>/close",
        "status": 422,
        "role": "unit_head",
        "unit": "发改委",
    }


def test_metrics_count_by_route_and_never_by_path(toy):
    toy.call("GET", TASK)
    toy.call("GET", "/nowhere/秘密")
    toy.call("FOO", TASK)
    text = toy.client.get("/metrics").text
    assert (
        'duban_http_requests_total{method="GET",route="/api/v1/tasks/<uuid:task_id>",service="toy",status="200"} 1.0'
        in text
    )
    assert 'method="(other)"' in text
    assert "duban_http_request_seconds_bucket" in text
    assert "nowhere" not in text
    assert "00000000-" not in text


def test_health_and_readiness(toy):
    assert toy.client.get("/healthz").json == {"status": "ok"}
    assert toy.client.get("/readyz").status_code == 200
    toy.reasons.append("schema version 1, want 2")
    answer = toy.client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"reasons": ["schema version 1, want 2"]})
