"""Notices reach a web server and a mail server of our own, once and with patience."""

import json
import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import Mail, Webhook
from closecast.serving.daily.notify import message_of, send
from closecast.serving.ledger import Ledger
from closecast.serving.ledger.outbox import Notice

NOTICE = Notice(head="a" * 64, channel="webhook", body={"text": "first\nsecond 한글"})


@contextmanager
def web_server(*answers: int):
    """Answer POSTs by some codes in turn, the last one for ever; gives what came."""
    codes, came = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Postbox:
    """Keeps the mails that come; refuses as many as it is told to."""

    def __init__(self, refusals=()):
        self.came, self.refusals = [], list(refusals)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802, ARG002
        if self.refusals:
            return self.refusals.pop(0)
        self.came.append(envelope)
        return "250 OK"


@contextmanager
def mail_server(box, **options):
    """Take mail on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def clock():
    """A clock that waits for nothing and notes it."""
    slept = []
    return WallClock(sleep=slept.append), slept


def with_webhook(config, url, **more):
    """Settings with a webhook."""
    return replace(config, webhook=Webhook(url=url, **more))


def with_mail(config, port, **more):
    """Settings with a mail server without encryption."""
    mail = Mail(host="localhost", port=port, to=("me@x.org", "you@x.org"),
                sender="it@x.org", **({"starttls": False} | more))  # fmt: skip
    return replace(config, mail=mail)


def test_a_webhook_gets_json_with_an_identity(config, clock):
    """The head's hash, so that a notice that comes twice is known."""
    with web_server(200) as (url, came):
        assert send(NOTICE, with_webhook(config, url), clock[0]) is None

    assert came == [
        ("application/json", {"id": "a" * 64, "text": "first\nsecond 한글"})
    ]


def test_a_server_that_stumbles_is_asked_again(config, clock):
    """After longer and longer waits."""
    with web_server(503, 429, 204) as (url, came):
        assert send(NOTICE, with_webhook(config, url), clock[0]) is None

    assert len(came) == 3
    assert clock[1] == [2.0, 4.0]


@pytest.mark.parametrize(("code", "attempts"), [(404, 1), (500, 4)])
def test_a_server_that_refuses_is_told(config, clock, code, attempts):
    """What is wrong at our end is not tried again."""
    with web_server(code) as (url, came):
        failure = send(NOTICE, with_webhook(config, url), clock[0])

    assert len(came) == attempts
    assert f"got HTTP {code} ({url})" in failure.why
    assert "the next run sends it again" in failure.why


def test_a_server_that_is_not_there_is_told(config, clock):
    """As many attempts as the settings say."""
    failure = send(
        NOTICE, with_webhook(config, "http://127.0.0.1:1/", tries=2), clock[0]
    )

    assert "refused" in failure.why
    assert clock[1] == [2.0]


def test_a_mail_is_plain_text(config, clock):
    """Its first line is the subject."""
    box = Postbox()
    with mail_server(box) as port:
        mail = replace(NOTICE, channel="mail")
        assert send(mail, with_mail(config, port), clock[0]) is None

    (envelope,) = box.came
    assert envelope.rcpt_tos == ["me@x.org", "you@x.org"]
    text = envelope.content.decode()
    assert "Subject: first" in text
    assert f"<{'a' * 64}@x.org>" in text
    written = message_of(NOTICE, with_mail(config, 25).mail)
    assert written.get_content() == "first\nsecond 한글\n"


@pytest.mark.parametrize(
    ("refusals", "slept", "told"),
    [(["451 later"], [2.0], None), (["554 no"], [], "554 no")],
)
def test_a_mail_server_may_ask_to_come_again(config, clock, refusals, slept, told):
    """A passing refusal is waited out, a final one is told."""
    with mail_server(Postbox(refusals)) as port:
        mail = replace(NOTICE, channel="mail")
        failure = send(mail, with_mail(config, port), clock[0])

    assert clock[1] == slept
    assert (failure is None) if told is None else (told in failure.why)


def test_a_password_goes_encrypted(config, clock, tmp_path, monkeypatch):
    """From the environment, after STARTTLS, to a certificate that is trusted."""
    authority, seen = trustme.CA(), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))

    def login(server, session, envelope, mechanism, data):  # noqa: ARG001
        seen.append((session.ssl is not None, data.login, data.password))
        return AuthResult(success=True)

    options = {"tls_context": context, "authenticator": login, "auth_required": True}
    box, mail = Postbox(), replace(NOTICE, channel="mail")
    with mail_server(box, **options) as port:
        encrypted = with_mail(config, port, starttls=True, user="me", tries=1)
        missing = send(mail, encrypted, clock[0])
        monkeypatch.setenv("CLOSECAST_MAIL_PASSWORD", "secret")
        stranger = send(mail, encrypted, clock[0])
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert send(mail, encrypted, clock[0]) is None

    assert "no password of me in the environment" in missing.why
    assert "CERTIFICATE_VERIFY_FAILED" in stranger.why
    assert seen == [(True, b"me", b"secret")]
    assert len(box.came) == 1


def test_each_day_is_told_once(desk):
    """A run without news tells nobody; a failed notice is sent by the next run."""
    with web_server(500, 200) as (url, came):
        webhook = Webhook(url=url, tries=1)
        first = desk.run(-3, webhook=webhook)
        again = desk.run(-3, webhook=webhook)
        quiet = desk.run(-3, webhook=webhook)

    assert [one.channel for one in first.failures] == ["webhook"]
    assert (again.failures, quiet.failures) == ((), ())
    assert len(came) == 2
    assert came[0] == came[1]
    with Ledger.open(desk.config.ledger, create=False) as ledger:
        assert came[1][1]["id"] == ledger.head.hash
    assert came[1][1]["state"] == "fine"
    assert len(came[1][1]["forecasts"]) == 2


def test_news_of_days_that_nobody_was_told_of_come_together(desk):
    """A notice tells all that lies in the ledger since the last one."""
    with web_server(200) as (url, came):
        desk.run(-5, webhook=Webhook(url=url))
        desk.run(-2, webhook=Webhook(url=url))

    assert came[1][1]["late"] == 4
    assert came[1][1]["matured"]["steps"] == 2 * 3
