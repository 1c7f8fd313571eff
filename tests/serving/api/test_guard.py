"""Who may ask: keys, browsers, hosts."""

import pytest

DATA = (
    "/v1/symbols",
    "/v1/prices/AAPL",
    "/v1/forecasts/AAPL",
    "/v1/scoreboard",
    "/v1/runs",
    "/v1/doctor",
    "/v1/openapi.json",
    "/metrics",
)


@pytest.mark.parametrize("address", DATA)
def test_no_data_without_a_key(stranger, client, address: str):
    """Everything but the health needs a key, and is given to whoever has one."""
    refused = stranger.get(address)

    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert client.get(address).status_code == 200


def test_health_needs_no_key_and_tells_nothing_else(stranger):
    """A watchdog may ask whether the server is well, and learns no more."""
    answer = stranger.get("/v1/health")

    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "prices", "model", "ledger"}


def test_a_wrong_key_is_refused(served):
    """A key that nobody has opens nothing."""
    answer = served.client(Authorization="Bearer cc_guess").get("/v1/symbols")

    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:closecast:problem:wrong-key"


def test_guessing_is_slowed_down(served):
    """After a handful of wrong keys an address has to wait."""
    thief = served.client(Authorization="Bearer cc_guess")

    answers = [thief.get("/v1/symbols") for _ in range(40)]

    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_an_expired_key_is_told_its_date(served):
    """A key past its day is refused with the day and the remedy."""
    token, _ = served.service.keys.add("laptop", days=1)
    laptop = served.client(Authorization=f"Bearer {token}")
    assert laptop.get("/v1/symbols").status_code == 200

    served.time.seconds += 86_401
    answer = laptop.get("/v1/symbols")

    assert answer.status_code == 401
    assert "laptop, which expired on 2001-09-10" in answer.json()["detail"]


def test_a_clock_that_goes_back_revives_no_key(served):
    """What has expired stays expired when the machine's clock is set back."""
    token, _ = served.service.keys.add("laptop", days=1)
    laptop = served.client(Authorization=f"Bearer {token}")
    served.time.seconds += 86_401
    laptop.get("/v1/symbols")

    served.time.seconds -= 50_000

    assert laptop.get("/v1/symbols").status_code == 401


def test_a_revoked_key_is_refused_at_once(served):
    """Revoking takes effect in a server that runs."""
    token, _ = served.service.keys.add("laptop")
    laptop = served.client(Authorization=f"Bearer {token}")
    assert laptop.get("/v1/symbols").status_code == 200

    served.service.keys.revoke("laptop")

    assert laptop.get("/v1/symbols").status_code == 401


def test_the_printed_link_works_once(served):
    """The first browser that follows it is logged in, the second is not."""
    owner = served.service.keys.find(served.key).name
    ticket = served.service.sessions.ticket(owner)
    browser, late = served.client(), served.client()

    first = browser.get(f"/login?ticket={ticket}")
    second = late.get(f"/login?ticket={ticket}")

    assert first.status_code == 303
    assert first.headers["location"] == "/"
    assert browser.get("/v1/session").json() == {"caller": owner}
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


def test_no_script_reads_the_cookie_and_no_other_site_sends_it(served):
    """The cookie is HttpOnly and SameSite=Strict."""
    cookie = (served.client().post("/v1/session", json={"key": served.key}).headers)[
        "set-cookie"
    ]

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert served.key not in cookie


def test_a_browser_logs_in_with_a_key_and_out_again(served):
    """The cookie stands for the key until it is given back."""
    browser = served.client()

    assert browser.post("/v1/session", json={"key": "cc_guess"}).status_code == 401
    assert browser.post("/v1/session", json={"key": served.key}).status_code == 200
    assert browser.get("/v1/symbols").status_code == 200
    stolen = dict(browser.cookies)
    assert browser.delete("/v1/session").status_code == 204
    thief = served.client()
    thief.cookies.update(stolen)
    assert thief.get("/v1/symbols").status_code == 401


def test_a_session_ends_with_its_key(served):
    """Revoking a key logs its browsers out."""
    token, _ = served.service.keys.add("laptop")
    browser = served.client()
    browser.post("/v1/session", json={"key": token})
    assert browser.get("/v1/symbols").status_code == 200

    served.service.keys.revoke("laptop")

    assert browser.get("/v1/symbols").status_code == 401


def test_another_site_cannot_post_with_the_cookie(served):
    """A request of a logged in browser that comes from another page is refused."""
    browser = served.client(Origin="http://evil.example")
    browser.post("/v1/session", json={"key": served.key})

    answer = browser.post("/v1/forecasts", json={"bars": []})

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", ""]
)
def test_a_name_that_resolves_here_is_no_way_in(client, host: str):
    """A page that rebinds its own name to this machine is refused by its Host."""
    assert client.get("/v1/symbols", headers={"Host": host}).status_code == 421


def test_the_own_host_is_known_with_and_without_a_port(client):
    """Browsers send the port along unless it is the usual one."""
    for host in ("127.0.0.1", "127.0.0.1:8765"):
        assert client.get("/v1/symbols", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("address", ["/v1/health", "/v1/symbols", "/nowhere", "/"])
def test_every_answer_carries_the_headers_of_a_careful_server(client, address: str):
    """Also an error loads nothing from outside, is framed nowhere and kept nowhere."""
    headers = client.get(address).headers

    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in {"no-store", "no-cache"}
    assert "server" not in headers
