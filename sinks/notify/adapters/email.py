"""E-mail over SMTP. All messages of an alert are one thread; one that is sent again has the same Message-ID."""

from __future__ import annotations

import contextlib
import email.utils
from email.message import EmailMessage
from hashlib import sha256

import aiosmtplib

from sinks.notify.errors import Later, Refused
from sinks.notify.message import Notification
from sinks.notify.settings import EmailAdapter

_FINAL = range(500, 600)
"""Answers that say: never, not later."""


class Email:
    """Sends over a server, a connection a message.

    Args:
        password: of `adapter.user`. timeout: seconds for each step of the conversation.
    """

    def __init__(self, adapter: EmailAdapter, password: str | None, timeout: float) -> None:
        self._adapter = adapter
        self._password = password
        self._timeout = timeout

    async def send(self, notification: Notification) -> None:
        """Sends to the addresses of whoever the step names; returns when the server has taken the message for all of them.

        Raises:
            Refused: nobody's address is known, or the server refuses the message or all addresses for good.
            Later: the server cannot be reached, does not let us in, or says later.
        """
        adapter = self._adapter
        addresses = adapter.addresses.get(notification.event.who)
        if not addresses:
            raise Refused(f"e-mail: no address of {notification.event.who} in notify.yml")
        client = aiosmtplib.SMTP(
            hostname=adapter.host,
            port=adapter.port,
            username=adapter.user,
            password=self._password,
            use_tls=adapter.tls == "implicit",
            start_tls=adapter.tls == "starttls",
            timeout=self._timeout,
        )
        try:
            await client.connect()
            await client.send_message(message(notification, adapter.sender, addresses))
            with contextlib.suppress(aiosmtplib.SMTPException):
                await client.quit()  # the message is taken, whatever is said to this
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(refused.code in _FINAL for refused in error.recipients):
                raise Refused(f"e-mail: {adapter.host} refuses {', '.join(addresses)}") from None
            raise Later(f"e-mail: {adapter.host} does not take {', '.join(addresses)} now") from None
        except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPSenderRefused) as error:
            text = f"e-mail: {adapter.host} answered {error.code}: {error.message[:200]}"
            raise (Refused(text) if error.code in _FINAL else Later(text)) from None
        except aiosmtplib.SMTPResponseException as error:
            raise Later(f"e-mail: {adapter.host} answered {error.code}: {error.message[:200]}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Later(f"e-mail: {adapter.host} was not reached: {type(error).__name__}") from None
        finally:
            client.close()  # at once, also when our time is over: a server that hangs would not answer a quit


def message(notification: Notification, sender: str, addresses: list[str]) -> EmailMessage:
    """The e-mail: the facts as plain text."""
    event = notification.event
    domain = sender.rpartition("@")[2] or "iskra"
    told = EmailMessage()
    told["From"] = sender
    told["To"] = ", ".join(addresses)
    told["Subject"] = _line(notification.title)
    told["Date"] = email.utils.format_datetime(email.utils.localtime())
    told["Message-ID"] = f"<{_name(notification.id)}@{domain}>"
    told["References"] = told["In-Reply-To"] = f"<{_name(event.alert_id)}@{domain}>"
    told["Auto-Submitted"] = "auto-generated"
    told["X-Iskra-Id"] = _line(notification.id)
    told["X-Iskra-Key"] = _line(event.dedup_key)
    if event.priority == "P0":
        told["Importance"] = "high"
    lines = [notification.title, "", *(f"{name}: {text}" for name, text in notification.facts.items()), ""]
    if event.kind == "trigger":
        lines += [f"Take it:   iskra alerts ack {event.alert_id}", f"End it:    iskra alerts resolve {event.alert_id}", ""]
    told.set_content("\n".join(_line(line) for line in lines))
    return told


def _line(text: str) -> str:
    """The text on one line: a line break would begin another header."""
    return " ".join(text.split())


def _name(identity: str) -> str:
    """The left side of a Message-ID: an identity's own characters where all are allowed there, else a digest."""
    plain = identity.replace("-", "").replace(".", "").replace("_", "")
    return identity if plain.isascii() and plain.isalnum() else sha256(identity.encode()).hexdigest()[:32]
