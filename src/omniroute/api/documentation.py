"""The documentation pages: made from the OpenAPI document, styled by one small file of ours, no outside address.

Works without the internet. The content security policy allows this host's own style and script, and nothing inline.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from omniroute.api.call import Call
from omniroute.api.openapi import document_of, error_codes
from omniroute.api.operations import FORM_TYPE, Access, Operation, Reply, found_in, operation
from omniroute.api.selection import Selection

HTML_TYPE = "text/html; charset=utf-8"
PAGE_HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
)
_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


def _prose(text: str) -> str:
    """Public text with `code` and **strong** marks, as HTML paragraphs."""
    paragraphs = []
    for block in text.strip().split("\n\n"):
        marked = _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(block.strip())))
        paragraphs.append(f"<p>{marked}</p>")
    return "".join(paragraphs)


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))


def curl(method: str, path: str, page: dict[str, Any]) -> str:
    """The operation as a command to paste."""
    address = path
    query = []
    lines = []
    for parameter in page["parameters"]:
        name, example = parameter["name"], parameter.get("example")
        if parameter["in"] == "path":
            address = address.replace("{" + name + "}", str(example))
        elif parameter["in"] == "query" and example is not None:
            query.append(f"{name}={example}")
        elif parameter["in"] == "header" and parameter["required"]:
            lines.append(f"  -H '{name}: {example}'")
    if page["security"]:
        lines.insert(0, '  -H "Authorization: Bearer $OMNIROUTE_KEY"')
    body = page.get("requestBody", {}).get("content", {})
    for media_type, media in body.items():
        if "example" in media:
            lines.append(f"  -H 'Content-Type: {media_type}'")
            form = "&".join(f"{name}={text}" for name, text in media["example"].items())
            text = form if media_type == FORM_TYPE else json.dumps(media["example"], ensure_ascii=False)
            lines.append(f"  -d '{text}'")
    if any(media.get("schema", {}).get("format") == "binary" for media in body.values()):
        lines += [f"  -H 'Content-Type: {next(iter(body))}'", "  --data-binary @payments.csv"]
    target = address + ("?" + "&".join(query) if query else "")
    verb = "" if method == "GET" else f"-X {method} "
    return " \\\n".join([f'curl -s {verb}"$OMNIROUTE_URL{target}"', *lines])


def _operation(method: str, path: str, page: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{p['in']}</td><td>{'yes' if p['required'] else ''}</td>"
        f"<td>{_prose(p.get('description', ''))}</td></tr>"
        for p in page["parameters"]
    )
    table = f"<table><tr><th>Parameter</th><th>In</th><th>Needed</th><th></th></tr>{rows}</table>" if rows else ""
    answers = []
    for status, response in page["responses"].items():
        codes = " ".join(
            f'<a href="/docs/errors#{escape(code)}"><code>{escape(code)}</code></a>'
            for media in response.get("content", {}).values()
            for code in media.get("examples", {})
        )
        answers.append(f"<tr><td>{status}</td><td>{escape(response['description'])}</td><td>{codes}</td></tr>")
    examples = ""
    for status, response in page["responses"].items():
        for media in response.get("content", {}).values():
            if "example" in media and status.startswith("2"):
                examples += f"<h4>Answer {status}</h4><pre>{_json(media['example'])}</pre>"
    words = escape(f"{method} {path} {page['summary']} {page['operationId']}".lower())
    return (
        f'<section class="op" id="{page["operationId"]}" data-words="{words}">'
        f'<h3><span class="verb {method.lower()}">{method}</span> <code>{escape(path)}</code></h3>'
        f"<h4>{escape(page['summary'])}</h4>{_prose(page['description'])}{table}"
        f"<pre>{escape(curl(method, path, page))}</pre>{examples}"
        f"<details><summary>Answers</summary><table>{''.join(answers)}</table></details></section>"
    )


def _page(title: str, navigation: str, content: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/docs/style.css">'
        '<script src="/docs/search.js" defer></script></head><body>'
        '<nav><a class="home" href="/docs">OmniRoute</a>'
        '<input id="search" type="search" placeholder="Search" aria-label="Search">'
        f'{navigation}<a href="/docs/errors">Errors</a> <a href="/openapi.json">openapi.json</a></nav>'
        f"<main>{content}</main></body></html>"
    ).encode()


def docs_page(document: dict[str, Any]) -> bytes:
    """The reference, one section an operation."""
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, page in methods.items():
            by_tag[page["tags"][0]].append((method.upper(), path, page))
    texts = {tag["name"]: tag["description"] for tag in document["tags"]}
    navigation, content = "", f"<h1>{document['info']['title']}</h1>{_prose(document['info']['description'])}"
    for tag, found in by_tag.items():
        if not found:
            continue
        links = "".join(f'<li><a href="#{p["operationId"]}">{escape(p["summary"])}</a></li>' for _, _, p in found)
        navigation += f"<details open><summary>{tag}</summary><ul>{links}</ul></details>"
        content += f"<h2>{tag}</h2>{_prose(texts[tag])}" + "".join(_operation(*one) for one in found)
    return _page("OmniRoute API", navigation, content)


@cache
def errors_page() -> bytes:
    """Every error code, at the anchor that `type` of a problem names."""
    rows = "".join(
        f'<section class="op" id="{code}" data-words="{escape(code + " " + title.lower())}">'
        f"<h3><code>{code}</code> <small>{status}</small></h3>{_prose(text)}</section>"
        for code, title, status, text in error_codes()
    )
    return _page("OmniRoute errors", "", "<h1>Errors</h1><p>Codes are words, and never change.</p>" + rows)


@cache
def _asset(name: str) -> bytes:
    return (files("omniroute.api") / "assets" / name).read_bytes()


class Documentation:
    """The pages about operations, which are operations too: `operations` are all of them, these pages last."""

    def __init__(self, others: Iterable[Operation]) -> None:
        own = [replace(op, handler=op.handler.__get__(self)) for op in found_in(Documentation)]
        self.operations = (*others, *own)
        self._openapi_json = cache(lambda selection: msgspec.json.encode(self.document(selection)))
        self._docs_page = cache(lambda selection: docs_page(self.document(selection)))

    def document(self, selection: Selection) -> dict[str, Any]:
        """The OpenAPI document of what is selected."""
        return document_of([op for op in self.operations if selection.serves(op)])

    @operation("GET", "/openapi.json", tag="Health", access=Access.OPEN, transaction=False, reply=dict[str, Any])
    async def get_openapi(self, call: Call) -> Reply:
        """Show this API as an OpenAPI 3.1 document."""
        return Reply(self._openapi_json(call.services.selection))

    @operation("GET", "/docs", tag="Health", access=Access.OPEN, transaction=False, reply=str, media_type="text/html")
    async def get_docs(self, call: Call) -> Reply:
        """Show this documentation."""
        return Reply(self._docs_page(call.services.selection), content_type=HTML_TYPE, headers=PAGE_HEADERS)

    @operation(
        "GET", "/docs/errors", tag="Health", access=Access.OPEN, transaction=False, reply=str, media_type="text/html"
    )
    async def get_docs_errors(self, call: Call) -> Reply:
        """Show every error code and what it asks of you."""
        return Reply(errors_page(), content_type=HTML_TYPE, headers=PAGE_HEADERS)

    @operation(
        "GET", "/docs/style.css", tag="Health", access=Access.OPEN, transaction=False, reply=str, media_type="text/css"
    )
    async def get_docs_style(self, call: Call) -> Reply:
        """The style of the documentation."""
        return Reply(_asset("style.css"), content_type="text/css; charset=utf-8")

    @operation(
        "GET", "/docs/search.js", tag="Health", access=Access.OPEN, transaction=False, reply=str,
        media_type="text/javascript",
    )  # fmt: skip
    async def get_docs_search(self, call: Call) -> Reply:
        """The search of the documentation."""
        return Reply(_asset("search.js"), content_type="text/javascript; charset=utf-8")
