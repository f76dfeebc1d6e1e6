"""How a request is refused: always JSON with the status and a text that says what was expected or what is away."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.responses import create_exception_response
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    status_code: int
    detail: str


def problem(status: int, detail: str, retry_after: int | None = None, *, unread: bool = False) -> HTTPException:
    """An error to raise.

    Args:
        status: from 400 on. detail: what was expected, or what is away. retry_after: s, for 429 and 503.
        unread: the request's body was not read to its end. The server then closes the connection, and a client that is not told
            so loses the next request that it sends there.
    """
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if unread:
        headers["Connection"] = "close"
    return HTTPException(detail=detail, status_code=status, headers=headers)


def asking(handlers: list[HTTPRouteHandler]) -> Router:
    """Handlers whose parameters have other names in the code (`from` and `state` are taken there): an error tells the caller's."""
    return Router("/", route_handlers=handlers, exception_handlers={ValidationException: _by_their_names})


def _by_their_names(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    parameters = request.route_handler.parsed_fn_signature.parameters
    for each in error.extra if isinstance(error.extra, list) else ():
        field = parameters.get(each.get("key"))
        if field is not None and isinstance(field.kwarg_definition, ParameterKwarg) and field.kwarg_definition.query:
            each["key"] = field.kwarg_definition.query
    return create_exception_response(request, error)
