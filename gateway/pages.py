"""The built pages, from memory: what is not in the list of files does not exist, so no path can lead out of the folder."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import time
from pathlib import Path
from typing import NamedTuple

INDEX = "index.html"
BUILD_COMMAND = "npm ci && npm run build"
LOOK_S = 1.0
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9.]+\Z")
_TEXT = (".html", ".js", ".css", ".svg", ".json", ".map", ".txt", ".webmanifest")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from other hosts. Inline styles are allowed: charts set their sizes so; inline scripts are not."""

_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

MISSING = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Iskra</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto}}code{{background:#8882;padding:.2em .4em}}</style>
<h1>The pages are not built yet</h1>
<p>Build them with <code>make setup</code> (or, in <code>gateway/web</code>: <code>{BUILD_COMMAND}</code>) and load this page again.</p>
<p>Everything else works: <a href="/status">status</a>, <a href="/api/docs">API</a>.</p></html>"""


class Asset(NamedTuple):
    """One file, ready to send."""

    body: bytes
    packed: bytes | None
    kind: str
    etag: str
    immutable: bool


class Pages:
    """The files under one folder; looked at again when `index.html` changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._assets: dict[str, Asset] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0

    def get(self, path: str) -> Asset | None:
        """The file of a URL path (without the leading slash), None if there is none."""
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._looked = now
            self._look()
        return self._assets.get(path)

    def _look(self) -> None:
        try:
            about = (self._folder / INDEX).stat()
            stamp = (about.st_mtime_ns, about.st_size)
        except OSError:
            self._assets, self._stamp = {}, None
            return
        if stamp == self._stamp:
            return
        files = {
            file.relative_to(self._folder).as_posix(): file for file in self._folder.rglob("*") if file.is_file() and not file.is_symlink()
        }
        self._assets = {name: _asset(name, file.read_bytes()) for name, file in files.items()}
        self._stamp = stamp


def _asset(name: str, body: bytes) -> Asset:
    suffix = Path(name).suffix.lower()
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 6, mtime=0) if suffix in _TEXT and len(body) > 1024 else None
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return Asset(body, packed, kind, etag, _HASHED.search(name) is not None)
