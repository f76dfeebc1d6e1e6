"""Who asks: the programs' user with every right, or the people's user who may only read."""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
from collections.abc import Mapping


class Role(enum.Enum):
    """What a user may do."""

    PROGRAM = "program"
    READER = "reader"


class Users:
    """The users of the endpoint.

    Args:
        passwords: name → password and role; an empty password is refused to everybody.
    """

    def __init__(self, users: Mapping[str, tuple[str, Role]]) -> None:
        self._users = {name: (password.encode(), role) for name, (password, role) in users.items() if password}

    def role(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> Role | None:
        """The role of a request, None if it is refused.

        Credentials come, as in ClickHouse, as `X-ClickHouse-User` and `-Key`, as Basic authorisation, or as the
        parameters `user` and `password`; passwords are compared in constant time.
        """
        authorization = headers.get("authorization", "")
        if "x-clickhouse-user" in headers:
            name, password = headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
        elif authorization:
            name, password = _basic(authorization)
        else:
            name, password = parameters.get("user", ""), parameters.get("password", "")
        expected, role = self._users.get(name, (b"", None))
        matches = hmac.compare_digest(password.encode(errors="surrogateescape"), expected or b"\0")
        if not matches or role is None:
            return None
        return role


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
