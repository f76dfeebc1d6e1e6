"""A record's headers, as the Kafka client gives them."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

from schemas.topics import HEADER_KIND, KIND_UNREADABLE

# For a name that is no UTF-8 the client (confluent-kafka 2.16) gives a list with a hole in it, and sets an error. Called so, the
# error can be caught; a plain call, once the interpreter has specialised it, walks into the hole and crashes the process.
_headers = methodcaller("headers")


def headers_of(message: Any) -> dict[str, bytes]:
    """The headers of a message of confluent-kafka as a mapping; one with a null value is none.

    A record with a name that is no UTF-8 is of the kind `unreadable`, and has no other header.
    """
    try:
        listed = _headers(message)
    except SystemError:
        message.set_headers([(HEADER_KIND, KIND_UNREADABLE)])  # the next call would be given the list without a word
        return {HEADER_KIND: KIND_UNREADABLE}
    return {name: value for name, value in listed or () if value is not None}
