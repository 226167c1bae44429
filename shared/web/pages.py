"""Pages for people: ``/`` says what this is and where everything is, ``/docs`` shows the API reference.

Everything that a page needs is served here: these networks have no internet.
"""

from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

from flask import Flask, Response, request

from shared.domain.words import Title
from shared.web.auth import public
from shared.web.problems import NoSuchPage, language

FOLDER = Path(__file__).with_name("reference")
"""Swagger UI as its package ships it (Apache-2.0), and what is our own: reference.js, pages.css."""
ASSETS = {
    "pages.css": "text/css",
    "reference.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
WHAT = Title(
    "督办：任务交办、督查督办、企业服务与通知四个服务，让政府的决定落到实处。每件事实记入不可改动的日志。",
    "duban gets the decisions of a government carried out: four services, for tasks, for their follow-up, for "
    "enterprises and for notices. Every fact goes into a log that nobody can change unnoticed.",
)
NO_CONSOLE = Title("目前没有操作界面，请通过接口使用。", "There is no console yet: it is used over its API.")
REFERENCE = Title("接口文档", "API reference")
API = Title(
    "地址以 <code>/api/v1/</code> 开头；请求带 <code>Authorization: Bearer …</code>"
    "（试用令牌：<code>duban token</code>）。",
    "Addresses begin with <code>/api/v1/</code>; a request carries <code>Authorization: Bearer …</code> "
    "(for a trial: <code>duban token</code>).",
)
HEALTH = Title("运行状况", "Health")


def add_pages(app: Flask, documents: Mapping[str, str]) -> None:
    """Serve the pages. ``documents``: the services whose API this process shows, with their titles."""

    @public
    def start() -> Response:
        items = "".join(
            f'<li><a href="docs/{name}">{escape(title)}</a> '
            f'(<a href="api/v1/{name}/openapi.json">OpenAPI</a>)</li>'
            for name, title in documents.items()
        )
        health = " ".join(f'<a href="{name}">/{name}</a>' for name in ("healthz", "readyz", "metrics"))
        return _page(
            "督办 duban",
            f"<main><h1>督办 duban</h1><p>{_said(WHAT)}</p><p>{_said(NO_CONSOLE)}</p><dl>"
            f"<dt>API</dt><dd>{_said(API)}</dd>"
            f'<dt><a href="docs">{_said(REFERENCE)}</a></dt><dd><ul>{items}</ul></dd>'
            f"<dt>{_said(HEALTH)}</dt><dd>{health}</dd></dl></main>",
            "docs/assets",
        )

    @public
    def reference() -> Response:
        links = "".join(
            f'<li><a href="docs/{name}">{escape(title)}</a></li>' for name, title in documents.items()
        )
        title = _said(REFERENCE)
        return _page(title, f"<main><h1>{title}</h1><ul>{links}</ul></main>", "docs/assets")

    @public
    def reference_of(service: str) -> Response:
        if service not in documents:
            raise NoSuchPage
        links = "".join(
            f'<a href="{name}"{" aria-current=page" if name == service else ""}>{name}</a>'
            for name in documents
        )
        return _page(
            f"{service}: {_said(REFERENCE)}",
            f'<nav><a href="../">督办 duban</a>{links}</nav>'
            f'<div id="reference" data-document="../api/v1/{service}/openapi.json"></div>'
            '<script src="assets/swagger-ui-bundle.js"></script><script src="assets/reference.js"></script>',
            "assets",
            "swagger-ui.css",
        )

    @public
    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise NoSuchPage
        answer = Response(
            _read(name), mimetype=ASSETS[name], headers={**HEADERS, "Cache-Control": "no-cache"}
        )
        answer.add_etag()
        return answer.make_conditional(request)  # type: ignore[return-value]

    app.add_url_rule("/", view_func=start)
    app.add_url_rule("/docs", view_func=reference)
    app.add_url_rule("/docs/<service>", view_func=reference_of)
    app.add_url_rule("/docs/assets/<name>", view_func=asset)


@cache
def _read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def _said(title: Title) -> str:
    return title.zh if language() == "zh" else title.en


def _page(title: str, body: str, assets: str, *styles: str) -> Response:
    sheets = "".join(f'<link rel="stylesheet" href="{assets}/{sheet}">' for sheet in (*styles, "pages.css"))
    html = (
        f'<!doctype html><html lang="{"zh-CN" if language() == "zh" else "en"}"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">{sheets}</head><body>{body}</body></html>\n'
    )
    return Response(
        html, content_type="text/html; charset=utf-8", headers={**HEADERS, "Vary": "Accept-Language"}
    )
