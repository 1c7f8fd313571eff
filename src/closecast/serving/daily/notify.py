"""Telling people: a POST of JSON, an e-mail. A failure is told and tried again."""

import json
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import DailyConfig, Mail, Webhook
from closecast.serving.ledger.outbox import Notice

BACKOFF_S = 2.0
"""The first wait between two attempts; each further one is twice as long."""

SERVER_ERROR, TOO_MANY = 500, 429
PERMANENT = 500
"""SMTP answers from 500 on are final, those from 400 on are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A notice that could not be sent.

    Attributes:
        channel: ``webhook`` or ``mail``.
        why: A sentence.
    """

    channel: str
    why: str


class _PassingError(Exception):
    """Another attempt may succeed."""


class _RefusedError(Exception):
    """No attempt will."""


def send(notice: Notice, config: DailyConfig, clock: WallClock) -> Failure | None:
    """Send a notice by its channel, with patience.

    Args:
        notice: What to send.
        config: The settings.
        clock: Waits between attempts.

    Returns:
        Why it was not sent; None where it was.
    """
    if notice.channel == "webhook" and config.webhook is not None:
        webhook = config.webhook
        return _patiently(
            notice.channel, webhook.tries, clock, lambda: _post(notice, webhook)
        )
    if notice.channel == "mail" and config.mail is not None:
        mail = config.mail
        return _patiently(
            notice.channel, mail.tries, clock, lambda: _mail(notice, mail)
        )
    return None  # its channel was taken out of the settings: nobody waits for it


def message_of(notice: Notice, mail: Mail) -> EmailMessage:
    """Write the e-mail of a notice.

    Args:
        notice: The notice.
        mail: From whom and to whom.

    Returns:
        Plain text, with the head's hash as its identity: a mail that came twice is
        known as one.
    """
    message = EmailMessage()
    first, _, _ = notice.body["text"].partition("\n")
    message["Subject"] = first
    message["From"], message["To"] = mail.sender, ", ".join(mail.to)
    domain = mail.sender.rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{notice.head}@{domain}>"
    message.set_content(notice.body["text"])
    return message


def _patiently(
    channel: str, tries: int, clock: WallClock, attempt: Callable[[], None]
) -> Failure | None:
    import tenacity

    attempts = tenacity.Retrying(
        sleep=clock.sleep,
        stop=tenacity.stop_after_attempt(tries),
        wait=tenacity.wait_exponential(multiplier=BACKOFF_S),
        retry=tenacity.retry_if_exception_type(_PassingError),
        reraise=True,
    )
    try:
        attempts(attempt)
    except (_PassingError, _RefusedError) as error:
        return Failure(
            channel=channel,
            why=f"Expected the {channel} to take a notice, got {error}. What it tells "
            "is recorded; the next run sends it again.",
        )
    return None


def _post(notice: Notice, webhook: Webhook) -> None:
    body = json.dumps({"id": notice.head, **notice.body}, ensure_ascii=False)
    request = urllib.request.Request(  # noqa: S310  http and https only, see config
        webhook.url,
        data=body.encode(),
        headers={"Content-Type": "application/json", "User-Agent": "closecast"},
        method="POST",
    )
    try:
        urllib.request.urlopen(request, timeout=webhook.timeout_s).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        why = f"HTTP {error.code} ({webhook.url})"
        if error.code >= SERVER_ERROR or error.code == TOO_MANY:
            raise _PassingError(why) from error
        raise _RefusedError(why) from error
    except OSError as error:  # no answer, a broken one, or none in time
        reason = getattr(error, "reason", error)
        raise _PassingError(f"{reason} ({webhook.url})") from error


def _mail(notice: Notice, mail: Mail) -> None:
    place = f"{mail.host}:{mail.port}"
    password = _password(mail) if mail.user else ""
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_s) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.user:
                server.login(mail.user, password)
            server.send_message(message_of(notice, mail))
    except ssl.SSLError as error:
        raise _RefusedError(f"{error.reason or error} ({place})") from error
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPRecipientsRefused) as error:
        raise _RefusedError(f"{error} ({place})") from error
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        why = f"{error.smtp_code} {text} ({place})"
        if error.smtp_code >= PERMANENT:
            raise _RefusedError(why) from error
        raise _PassingError(why) from error
    except (OSError, smtplib.SMTPException) as error:
        raise _PassingError(f"{error} ({place})") from error


def _password(mail: Mail) -> str:
    password = os.environ.get(mail.password_env)
    if password is None:
        raise _RefusedError(
            f"no password of {mail.user} in the environment ({mail.password_env})"
        )
    return password
