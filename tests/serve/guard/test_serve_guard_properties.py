"""What holds whatever a client makes up."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.serve.guard.buckets import Buckets
from cardiofusion.serve.guard.origin import own

REFUSED = {400, 401, 403, 413, 421, 429}
NAMES = (
    "authorization", "cookie", "host", "origin", "referer", "sec-fetch-site", "sec-fetch-mode",
    "sec-fetch-dest", "x-forwarded-for", "x-forwarded-host", "x-forwarded-user", "forwarded", "x-real-ip",
    "x-original-url", "x-http-method-override", "remote-user", "hx-request", "accept", "content-type",
    "transfer-encoding", "te", "upgrade", "expect", "range", "if-none-match", "accept-language",
)  # fmt: skip
VALUES = (
    "Bearer", "Bearer ", "Bearer null", "Basic YWRtaW46YWRtaW4=", "cardiofusion-8321=",
    "cardiofusion-8321=null", "cardiofusion-8321=00000000000000000000000000000000",
    "127.0.0.1:8321", "localhost", "http://127.0.0.1:8321",
    "same-origin", "none", "navigate", "document", "DELETE", "admin", "local", "true", "text/html", "*/*",
    "127.0.0.1", "application/json", "bytes=0-", "ar", "websocket", "100-continue",
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(VALUES) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    ),
    max_size=6,
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"])
PATHS = st.sampled_from(
    ["/", "/case/1", "/case/1/outcome", "/upload", "/much", "/logout", "/no/where", "//", "/open"]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, path=PATHS, headers=HEADERS)
def test_nothing_made_up_opens_a_door(clinic, client_of, monkeypatch, method, path, headers):
    if not hasattr(clinic, "client"):
        # Else most are told to wait before anybody looks at them.
        monkeypatch.setattr("cardiofusion.serve.guard.identity.STRANGER_BURST", 1_000_000)
        clinic.client = client_of(clinic)
    client = clinic.client
    client.http.cookies.clear()
    fields = [(name, value.encode("latin-1")) for name, value in headers]
    answer = client.ask(method, path, headers=fields)
    allowed = REFUSED | ({405} if path == "/open" else set())
    assert answer.status_code in allowed, answer.text
    assert "set-cookie" not in answer.headers
    assert clinic.token not in answer.text


@given(headers=HEADERS, method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "X"]))
def test_writing_needs_a_word_of_our_own_origin(headers, method):
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers if name not in ("host",)]
    scope = {"method": method, "scheme": "http", "headers": [*fields, (b"host", b"127.0.0.1:8321")]}
    said = dict(fields)
    if own(scope):
        same = said.get(b"sec-fetch-site") == b"same-origin"
        assert same or said.get(b"origin") in (b"http://127.0.0.1:8321", b"https://127.0.0.1:8321")


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 10)), max_size=60),
)
def test_a_bucket_gives_no_more_than_its_burst_and_rate(rate, burst, asked):
    now = 0.0
    buckets = Buckets(rate, burst, clock=lambda: now)
    given_out = dict.fromkeys("abc", 0)
    for key, pause in asked:
        now += pause
        given_out[key] += buckets.take(key) == 0.0
    assert max(given_out.values()) <= burst + rate * now + 1e-6
