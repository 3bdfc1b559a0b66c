"""What other sites, crooked addresses and greedy requests get."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import AccessError
from cardiofusion.serve.guard import guarded
from cardiofusion.serve.guard.address import plain, without_port
from cardiofusion.serve.guard.request import client, cookie

MIB = 1 << 20
CROSS = {"sec-fetch-site": "cross-site"}
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def scope_of(*headers: tuple[str, str], method: str = "GET", address: str = "127.0.0.1") -> dict[str, object]:
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "method": method, "headers": fields, "client": (address, 1), "path": "/"}


# Hosts


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2", "[::2]", "localhost:x"],
)
@pytest.mark.parametrize("path", ["/", "/health", "/static/app.css", "/open?token=x"])
def test_another_host_is_refused_whoever_asks(local, host, path):
    answer = local.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost:8321", "LOCALHOST", "[::1]:8321"])
def test_the_names_of_this_machine_are_answered(local, host):
    assert local.get("/health", headers={"host": host}).status_code == 200


def test_a_shared_server_answers_to_the_names_it_was_given(clinic_of, client_of):
    client = client_of(clinic_of(shared=True, host="2001:db8::7"))
    for host, status in [("[2001:db8::7]:8321", 200), ("[2001:db8::8]:8321", 421), ("2001:db8::7", 421)]:
        assert client.get("/health", headers={"host": host}).status_code == status
    client = client_of(clinic_of(shared=True, host="192.0.2.7", hosts=("ecg.clinic.example",)))
    for host, status in [("ecg.clinic.example", 200), ("192.0.2.7:8321", 200), ("192.0.2.8", 421)]:
        assert client.get("/health", headers={"host": host}).status_code == status


def test_the_port_of_a_host_is_left_aside():
    assert [without_port(host) for host in ("A:1", "[::1]:1", "[::1]", "a", "a:b", "")] == [
        *("a", "[::1]", "[::1]", "a", "a:b", "")
    ]


# Origins


@pytest.mark.parametrize("path", ["/case/1/outcome", "/upload", "/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:8321"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8321"},
        {"sec-fetch-site": "cross-site", **NAVIGATION},
        {"sec-fetch-site": "nonsense"},
    ],
)
def test_another_sites_form_is_refused_though_the_cookie_comes_along(local, path, headers):
    answer = local.ask("POST", path, headers=headers, data={"a": "b"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "access.origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:8321"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8321"},
    ],
)
def test_a_form_of_our_own_page_is_taken(local, headers):
    assert local.ask("POST", "/case/1/outcome", headers=headers, content=b"a=b").json() == {"size": 3}


def test_deleting_is_guarded_as_posting_is(local):
    assert local.ask("DELETE", "/case/1").status_code == 403
    assert local.ask("DELETE", "/case/1", headers=local.origin).status_code == 200


def test_another_site_may_link_to_a_page_but_not_look_into_it(local):
    assert local.get("/case/1", headers=CROSS | NAVIGATION).status_code == 200
    for way in ({"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, {"sec-fetch-mode": "cors"}, {}):
        assert local.get("/case/1", headers=CROSS | way).status_code == 403
    framed = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert local.get("/case/1", headers=CROSS | framed).status_code == 403
    assert local.get("/case/1", headers={"sec-fetch-site": "same-site"}).status_code == 403
    assert local.get("/case/1", headers={"sec-fetch-site": "none"}).status_code == 200


def test_a_preflight_is_given_nothing(local):
    asked = CROSS | {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = local.ask("OPTIONS", "/case/1/outcome", headers=asked)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


# Paths


@given(st.text(st.sampled_from("./\\%2eEfF5cC\x00a"), max_size=30))
def test_a_plain_path_has_no_step_up_once_it_is_decoded_again(path):
    if plain("/" + path):
        steps = unquote("/" + path).split("/")
        assert ".." not in steps
        assert "." not in steps
        assert "\\" not in path


# Header fields


def test_every_answer_tells_the_browser_to_trust_nothing_else(local):
    answers = [
        local.get("/"),
        local.get("/case/1"),
        local.get("/static/app.css"),
        local.get("/no/such/page"),
        local.get("/broken/1"),
        local.get("/", headers={"host": "evil.example"}),
        local.ask("POST", "/upload"),
    ]
    assert {answer.status_code for answer in answers} == {200, 404, 500, 421, 403}
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "strict-transport-security" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 16


def test_nothing_of_a_patient_stays_in_a_cache(local):
    assert local.get("/case/1").headers.get_list("cache-control") == ["no-store"]
    assert local.get("/static/app.css").headers.get_list("cache-control") == ["no-cache"]


def test_under_tls_browsers_stay_there(clinic_of, client_of, tmp_path):
    client = client_of(clinic_of(certificate=tmp_path / "a.pem", key=tmp_path / "b.pem"))
    assert client.get("/health").headers["strict-transport-security"] == "max-age=31536000"


# Sizes


@pytest.mark.parametrize(
    ("path", "limit"), [("/case/1/outcome", MIB), ("/upload", 2 * MIB), ("/nowhere", MIB)]
)
def test_a_body_too_large_is_refused_before_it_is_read(clinic_of, client_of, path, limit):
    clinic = clinic_of(max_upload_bytes=2 * MIB)
    client = client_of(clinic)
    read = 0

    async def body():
        nonlocal read
        read += 1
        yield b"x"

    headers = {"authorization": f"Bearer {clinic.token}", "content-length": str(limit + 1)}
    answer = client.ask("POST", path, headers=headers, content=body())
    assert answer.status_code == 413
    assert answer.json()["code"] == "access.large"
    assert answer.headers["connection"] == "close"
    assert read == 0


@pytest.mark.parametrize("path", ["/case/1/outcome", "/upload"])
def test_a_body_without_a_length_is_counted_while_it_comes(clinic_of, client_of, path):
    clinic = clinic_of(max_upload_bytes=2 * MIB)
    client = client_of(clinic)
    read = 0

    async def body():
        nonlocal read
        yield b'--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(64):
            read += 1
            yield bytes(MIB // 4)

    kind = "multipart/form-data; boundary=b"
    headers = {"authorization": f"Bearer {clinic.token}", "content-type": kind}
    answer = client.ask("POST", path, headers=headers, content=body())
    assert answer.status_code == 413, answer.text
    assert read <= 9


def test_an_upload_within_the_limit_arrives_whole(clinic_of, client_of):
    clinic = clinic_of(max_upload_bytes=3 * MIB)
    client = client_of(clinic)
    headers = {"authorization": f"Bearer {clinic.token}"}
    answer = client.ask("POST", "/upload", headers=headers, files={"files": ("a.dat", bytes(2 * MIB))})
    assert answer.json() == {"size": 2 * MIB}


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(local, length):
    async def body():
        yield b"x"

    headers = local.origin | {"content-length": length.encode()}
    answer = local.ask("POST", "/case/1/outcome", headers=headers, content=body())
    assert answer.status_code in (400, 413)


# What is written down


@pytest.mark.parametrize("path", ["/case/4711-0815", "/broken/4711-0815", "/no/4711-0815?patient=4711-0815"])
def test_the_log_has_the_route_and_not_the_address(local, caplog, path):
    with caplog.at_level(logging.DEBUG):
        answer = local.get(path, headers={"referer": "4711-0815", "user-agent": "4711-0815"})
    written = "\n".join(
        record.getMessage() + (record.exc_text or "") for record in caplog.records if record.name != "httpx"
    )
    assert answer.headers["x-request-id"] in written
    assert "4711" not in written
    assert str(answer.status_code) in written


def test_the_log_names_a_failures_kind_and_place(local, caplog):
    with caplog.at_level(logging.INFO, logger="cardiofusion.access"):
        answer = local.get("/broken/4711")
    assert answer.status_code == 500
    assert answer.json()["code"] == "serve.failed"
    (failed, line) = caplog.messages
    assert "RuntimeError at " in failed
    assert "conftest.py" in failed
    assert line.startswith("GET /broken/{number} 500 ")


def test_a_made_up_method_does_not_enter_the_log(local, caplog):
    with caplog.at_level(logging.INFO, logger="cardiofusion.access"):
        local.ask("DOE-JOHN", "/", headers=local.origin)
    assert caplog.messages[-1].startswith("OTHER ")


# Declarations


def test_an_app_with_a_route_that_says_not_who_may_use_it_does_not_start(clinic):
    app = FastAPI(openapi_url=None)

    @app.get("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(AccessError, match="/forgotten"):
        guarded(app, clinic)


def test_the_frameworks_own_pages_count_as_routes_too(clinic):
    with pytest.raises(AccessError, match="/openapi"):
        guarded(FastAPI(), clinic)


# Reading a head


def test_the_first_cookie_of_a_name_counts():
    assert cookie(scope_of(("cookie", "a=1; b=2; a=3")), "a") == "1"
    assert cookie(scope_of(("cookie", "aa=1"), ("cookie", "a=2")), "a") == "2"
    assert cookie(scope_of(("cookie", "x a=1")), "a") is None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
    ],
)
def test_whom_a_limit_counts(address, counted):
    scope = scope_of(("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1"), address=address)
    assert client(scope) == counted


def test_a_socket_without_an_address_counts_as_one_client():
    assert client(SimpleNamespace(get=lambda name: None)) == "unknown"
