"""Everything that is an error is ``application/problem+json`` (RFC 9457), in the reader's language."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from flask import Response, current_app, g, request
from marshmallow import ValidationError
from werkzeug import exceptions as http

from shared.database.unavailable import UNAVAILABLE
from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated, titles
from shared.process.logs import log

MEDIA_TYPE = "application/problem+json"
MESSAGES: list[tuple[str, str]] = [
    (r"Missing data for required field\.", "必须填写"),
    (r"Field may not be null\.", "不能为空"),
    (r"Unknown field\.", "没有这个字段"),
    (r"Invalid value\.|Invalid input\.", "值不符合规定"),
    (r"Invalid (input )?type\.", "类型不对"),
    (r"Must be an object\.", "类型不对，应为对象"),
    (r"Not a valid aware datetime\.", "不是带时区的有效时刻，例如 2021-02-05T16:00:00+08:00"),
    (r"Not a valid datetime\.", "不是有效的时刻"),
    (r"Not a valid date\.", "不是有效的日期，应为 2021-03-05 这样的写法"),
    (r"Not a valid string\.", "不是文字"),
    (r"Not a valid integer\.", "不是整数"),
    (r"Not a valid number\.", "不是数字"),
    (r"Not a valid boolean\.", "不是 true 或 false"),
    (r"Not a valid UUID\.", "不是有效的编号"),
    (r"Not a valid list\.", "不是列表"),
    (r"Not a valid mapping type\.", "类型不对，应为对象"),
    (r"Not a valid email address\.", "不是有效的电子邮件地址"),
    (r"Not a valid URL\.", "不是有效的网址"),
    (r"Not a valid (.+)\.", "不是有效的 {0}"),
    (r"Special numeric values .*", "不接受 NaN 或无穷大"),
    (r"Number too large\.", "数字太大"),
    (r"Shorter than minimum length (\d+)\.", "太短，至少 {0}"),
    (r"Longer than maximum length (\d+)\.", "太长，至多 {0}"),
    (r"Length must be between (\d+) and (\d+)\.", "长度应在 {0} 与 {1} 之间"),
    (r"Length must be (\d+)\.", "长度应为 {0}"),
    (r"Must be greater than or equal to (\S+) and less than or equal to (\S+)\.", "应在 {0} 与 {1} 之间"),
    (r"Must be greater than or equal to (\S+)\.", "应不小于 {0}"),
    (r"Must be less than or equal to (\S+)\.", "应不大于 {0}"),
    (r"Must be greater than (\S+)\.", "应大于 {0}"),
    (r"Must be less than (\S+)\.", "应小于 {0}"),
    (r"Must be one of: (.*)\.", "只能是：{0}"),
    (r"One or more of the choices you made was not in: (.*)\.", "只能从中选择：{0}"),
    (r"String does not match expected pattern\.", "格式不对"),
]
"""marshmallow's standard messages in Chinese. Own messages carry both: first line Chinese, second English."""

CHOICES = r"(Must be one of: |One or more of the choices you made was not in: )(.*)\."

TITLES: dict[int, tuple[str, str]] = {
    400: ("请求无法理解", "The request cannot be understood"),
    401: ("没有通过身份认证", "Not authenticated"),
    403: ("没有权限", "Not allowed"),
    404: ("没有找到", "Not found"),
    405: ("不支持这种方法", "Method not allowed"),
    409: ("与当前状态冲突", "In conflict with the present state"),
    412: ("版本已过时", "The version is stale"),
    413: ("内容太大", "The content is too large"),
    415: ("不支持这种内容类型", "Content type not supported"),
    422: ("内容不合规定", "The content is not acceptable"),
    429: ("请求过于频繁", "Too many requests"),
    500: ("系统内部错误", "Internal error"),
    503: ("暂时无法处理", "Unavailable for the moment"),
}


class BodyIsMalformed(Refusal):
    """请求正文不是有效的 JSON：{reason}
    The body is not valid JSON: {reason}"""

    status = 400


class RequestIsMalformed(Refusal):
    """请求无法理解
    The request cannot be understood"""

    status = 400


class BodyTypeNotSupported(Refusal):
    """请求正文的类型应为 {expected}
    The body's content type must be {expected}"""

    status = 415


class BodyTooLarge(Refusal):
    """请求正文太大，最多 {limit} 字节
    The body is too large; at most {limit} bytes"""

    status = 413


class ContentNotAcceptable(Refusal):
    """有 {count} 处内容不合规定，逐项原因附后
    The content is not acceptable in {count} place(s); each is listed with its reason"""

    status = 422

    def __init__(self, messages: Any) -> None:
        self.messages = list(_flat(messages, ()))
        super().__init__(count=len(self.messages))


class NoSuchPage(Refusal):
    """这里没有任何内容
    There is nothing here"""

    status = 404


class MethodNotAllowed(Refusal):
    """这个地址只支持：{allowed}
    This address only supports: {allowed}"""

    status = 405

    def __init__(self, allowed: str) -> None:
        self.headers = {"Allow": allowed}
        super().__init__(allowed=allowed)


class Unexpected(Refusal):
    """系统出错，已记录；请向管理员报告请求编号 {request_id}
    Something went wrong and was recorded; report the request id {request_id} to the operator"""

    status = 500


class StoreUnavailable(Refusal):
    """数据库暂时不可用，请稍后重试
    The database is unavailable for the moment; please try again"""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "2"}


def _flat(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """marshmallow's nested messages as ``("supporters.0.part", message)``."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flat(inner, path if key == "_schema" else (*path, str(key)))
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            if isinstance(message, Mapping):
                yield from _flat(message, path)
            else:
                yield ".".join(path) or "body", str(message)


def _in_language(message: str, language: str, field: str) -> str:
    if found := re.fullmatch(CHOICES, message):
        message = f"{found[1]}{', '.join(_choice(one, field, language) for one in found[2].split(', '))}."
    chinese, newline, english = message.partition("\n")
    if newline:
        return chinese.strip() if language == "zh" else english.strip()
    if language == "zh":
        for pattern, translation in MESSAGES:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                return translation.format(*found.groups())
    return message


def _choice(value: str, field: str, language: str) -> str:
    """A choice as it is to be written, with its title unless that depends on the thing whose field it is."""
    name = field.rpartition(".")[2]
    title = Enumerated((), name).title(value)
    if title is None or any(line.endswith(f".{name}.{value}") for _, line in titles()):
        return value
    return f"{title.zh}（{value}）" if language == "zh" else f"{title.en} ({value})"


def language() -> str:
    """``zh`` or ``en``, as the reader asked; the configured one when they did not, or asked for neither."""
    default: str = current_app.extensions["duban"].config.language
    order = [default, "en" if default == "zh" else "zh"]
    return request.accept_languages.best_match(order, default) or default


def as_refusal(error: Exception) -> Refusal:
    """Whatever was raised, under the name of the rule that was not met."""
    match error:
        case Refusal():
            return error
        case ValidationError():
            return ContentNotAcceptable(error.messages)
        case http.NotFound():
            return NoSuchPage()
        case http.MethodNotAllowed():
            return MethodNotAllowed(", ".join(sorted(error.valid_methods or ())))
        case http.RequestEntityTooLarge():
            return BodyTooLarge(limit=request.max_content_length)
        case http.UnprocessableEntity() if hasattr(error, "data"):  # by webargs
            # {"json": {"field": […]}}: the location says nothing to the reader.
            return ContentNotAcceptable([*error.data["messages"].values()])
        case http.HTTPException() if error.code is not None and 400 <= error.code < 500:
            return RequestIsMalformed()
        case _ if isinstance(error, UNAVAILABLE):
            log("web").error("store unavailable", exc_info=error)
            return StoreUnavailable()
        case _:
            log("web").error("unexpected", exc_info=error)
            return Unexpected(request_id=g.get("request_id", "-"))


def problem(error: Exception) -> Response:
    """The answer to a request that ended in ``error``."""
    refusal, lang = as_refusal(error), language()
    g.rule = refusal.rule
    messages: list[tuple[str, str]] = getattr(refusal, "messages", [])
    detail = refusal.text(lang)
    if refusal.at_field and not messages:
        messages = [(refusal.at_field, detail)]
    document = {
        "type": f"/problems/{refusal.rule}",
        "title": TITLES.get(refusal.status, TITLES[400])[lang == "en"],
        "status": refusal.status,
        "detail": detail,
        "instance": quote(request.path, errors="replace"),
        "rule": refusal.rule,
        "errors": [
            # A third part, if any, says where in a file: the row, and the value that stands there.
            {"field": message[0], "reason": _in_language(message[1], lang, message[0]), **dict(*message[2:])}
            for message in messages
        ],
        **(refusal.members(lang) if hasattr(refusal, "members") else {}),
    }
    # A lone surrogate in a field's name becomes its JSON escape.
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    answer = Response(body, refusal.status, mimetype=MEDIA_TYPE)
    answer.headers.update(getattr(refusal, "headers", {}))
    answer.headers["Content-Language"] = lang
    answer.vary.add("Accept-Language")
    return answer
