"""`/api/docs`: the OpenAPI description as one plain page, made here; nothing is loaded, from this host or another."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--dim:#888;--spark:#e0762e}
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto 6em;padding:0 1em}
h1{margin-bottom:0}h2{margin:2.5em 0 .3em;font-size:1.1em}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;border-left:2px solid var(--line);padding:.3em 1em}
b.m{display:inline-block;min-width:3.5em;color:var(--spark)}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25em 1em .25em 0;border-bottom:1px solid var(--line)}
th,small{color:var(--dim);font-weight:400}
"""


class PlainDocs(OpenAPIRenderPlugin):
    """Renders the description without a script."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        base = request.url.path.rstrip("/")
        info = openapi_schema["info"]
        head = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style><h1>{escape(info['title'])}</h1>"
            f'<p>{escape(info.get("description") or "")} As a file: <a href="{escape(base)}/openapi.json">JSON</a>, '
            f'<a href="{escape(base)}/openapi.yaml">YAML</a>.</p>'
        )
        parts = [head]
        schemas = openapi_schema.get("components", {}).get("schemas", {})
        for path, methods in openapi_schema["paths"].items():
            for method, operation in methods.items():
                if isinstance(operation, dict):
                    parts.append(_operation(path, method, operation, schemas))
        return "".join(parts).encode()


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code>{' *' if each.get('required') else ''}<td>{escape(_kind(each.get('schema', {})))}"
        f"<td>{escape(each.get('description') or '')}"
        for each in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{escape(code)}<td>{escape(answer.get('description') or '')}<td>{_content(answer, schemas)}"
        for code, answer in operation.get("responses", {}).items()
    )
    body = operation.get("requestBody")
    return (
        f"<h2><b class=m>{escape(method.upper())}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation.get('summary') or '')}. {escape(operation.get('description') or '')}</p>"
        + (f"<table><tr><th>parameter (* required)<th>type<th>meaning{rows}</table>" if rows else "")
        + (f"<p>{escape(body.get('description') or 'Body')}</p>{_content(body, schemas)}" if body else "")
        + f"<table><tr><th>answer<th>meaning<th>body{answers}</table>"
    )


def _kind(schema: dict[str, Any]) -> str:
    if "oneOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["oneOf"]))
    if "enum" in schema:
        return ", ".join(str(each) for each in schema["enum"])
    bounds = "".join(f" {word} {schema[key]}" for key, word in (("minimum", "≥"), ("maximum", "≤")) if key in schema)
    return str(schema.get("type", "any")) + bounds


def _content(holder: dict[str, Any], schemas: dict[str, Any]) -> str:
    shown = []
    for kind, about in holder.get("content", {}).items():
        schema = about.get("schema", {})
        reference = schema.get("$ref", "").rsplit("/", 1)[-1]
        text = json.dumps(_brief(schemas.get(reference, schema)), ensure_ascii=False, indent=1)
        shown.append(f"<details><summary><small>{escape(kind)} {escape(reference)}</small></summary><pre>{escape(text)}</pre></details>")
    return "".join(shown)


def _brief(schema: Any) -> Any:
    """The schema without what only machines read."""
    if isinstance(schema, dict):
        return {key: _brief(value) for key, value in schema.items() if key not in ("title", "examples")}
    return [_brief(each) for each in schema] if isinstance(schema, list) else schema
