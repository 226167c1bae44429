"""The body of a request: bounded, strict, and read once."""

import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from flask import Request
from marshmallow import ValidationError

from shared.domain.words import Title
from shared.web.problems import BodyIsMalformed, BodyTypeNotSupported

View = TypeVar("View", bound=Callable[..., Any])

MAX_DEPTH = 16
MAX_ITEMS = 20_000
MAX_INTEGER = 2**63 - 1
FORM_TYPES = {"files": "multipart/form-data", "form": "application/x-www-form-urlencoded"}


def max_body(limit: int) -> Callable[[View], View]:
    """This route takes a body of up to ``limit`` bytes, instead of the app's own limit."""

    def mark(view: View) -> View:
        view.duban_max_body = limit  # type: ignore[attr-defined]
        return view

    return mark


def personal(view: View) -> View:
    """This route's body holds personal data: its fingerprint is kept where it outlives them, so it is keyed."""
    view.duban_personal = True  # type: ignore[attr-defined]
    return view


def has_personal_body(view: object) -> bool:
    """Whether the route was marked so."""
    return hasattr(view, "duban_personal")


def json_body(asked: Request) -> Any:
    """The JSON body; ``{}`` when there is none. Refuses what is not plain, bounded JSON."""
    if not hasattr(asked, "duban_json"):
        asked.duban_json = _read(asked)  # type: ignore[attr-defined]
    return asked.duban_json  # type: ignore[attr-defined]


def _read(asked: Request) -> Any:
    data = asked.get_data()
    if not data:
        return {}
    if asked.mimetype != "application/json":
        raise BodyTypeNotSupported(expected="application/json")
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except RecursionError as error:
        raise ValidationError(
            f"嵌套太深，至多 {MAX_DEPTH} 层\nNested too deeply; at most {MAX_DEPTH}"
        ) from error
    except ValueError as error:  # also: not UTF-8, and integers of thousands of digits
        raise BodyIsMalformed(reason=_fault(error)) from error
    _check(value)
    return value


def _fault(error: ValueError) -> Title:
    match error:
        case json.JSONDecodeError():
            return Title(
                f"第 {error.lineno} 行第 {error.colno} 个字符处有误",
                f"line {error.lineno}, character {error.colno}: {error.msg}",
            )
        case UnicodeDecodeError():
            return Title("不是 UTF-8 编码", "it is not UTF-8")
        case _ if isinstance(fault := error.args[0], Title):
            return fault
        case _:
            return Title("数字太长", "a number is too long")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(Title("同一对象中有重名的字段", "a name stands twice in one object"))
    return members


def _constant(text: str) -> float:
    raise ValueError(Title(f"{text} 不是 JSON 的值", f"{text} is not JSON"))


def _float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(Title(f"数字 {text[:40]} 超出范围", f"{text[:40]} is out of range"))
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


def unprintable(text: str) -> bool:
    """Whether ``text`` holds what no database or file can keep: NUL, or half of a surrogate pair."""
    return _UNPRINTABLE.search(text) is not None


def _check(value: Any) -> None:
    count = 1
    rest: list[tuple[Any, tuple[Any, ...], int]] = [(value, (), 1)]  # not recursion: depth must cost no stack
    while rest:
        item, path, depth = rest.pop()
        reason = None
        if isinstance(item, str):
            if unprintable(item):
                reason = "含有不能保存的字符\nHolds characters that cannot be stored"
        elif isinstance(item, (dict, list)):
            count += len(item)
            if count > MAX_ITEMS:
                path, reason = (), f"项目太多，至多 {MAX_ITEMS} 个\nToo many items; at most {MAX_ITEMS}"
            elif item and depth > MAX_DEPTH:
                path, reason = (), f"嵌套太深，至多 {MAX_DEPTH} 层\nNested too deeply; at most {MAX_DEPTH}"
            elif isinstance(item, dict) and any(map(unprintable, item)):
                reason = "字段名含有不能保存的字符\nA field's name holds characters that cannot be stored"
            else:
                members = item.items() if isinstance(item, dict) else enumerate(item)
                rest.extend((member, (*path, name), depth + 1) for name, member in members)
        elif isinstance(item, int) and abs(item) > MAX_INTEGER:
            reason = "Number too large."
        if reason:
            raise ValidationError({".".join(map(str, path)): [reason]} if path else [reason])


def plain_number(value: Any) -> Any:
    """3.0 as 3, and anything else as it is: JSON does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _plain_numbers(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain_numbers(member) for name, member in value.items()}
        case list():
            return [_plain_numbers(member) for member in value]
        case _:
            return plain_number(value)


def fingerprint(asked: Request, subject: str) -> str:
    """What was asked and by whom, so that the same Idempotency-Key with anything else is refused."""
    if asked.mimetype == FORM_TYPES["files"]:
        # Not the raw bytes: the boundary between the parts differs at each sending.
        parts = [(name, value) for name, value in asked.form.items(multi=True)]
        for name, file in asked.files.items(multi=True):
            parts.append((f"{name}/{file.filename}", hashlib.sha256(file.read()).hexdigest()))
            file.seek(0)
        content: Any = sorted(parts)
    elif asked.mimetype == "application/json":
        content = _plain_numbers(json_body(asked))
    else:
        content = hashlib.sha256(asked.get_data()).hexdigest()
    query = sorted(asked.args.items(multi=True)) if asked.query_string else []
    whole = [subject, asked.method, asked.path, query, content]
    return hashlib.sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()
