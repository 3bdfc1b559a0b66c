"""A shared server: accounts, sessions, tokens, roles."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from cardiofusion.records import AccessError, InputError
from cardiofusion.serve.guard import Accounts, Actor
from cardiofusion.serve.guard.buckets import Buckets, retry_after
from cardiofusion.serve.guard.credentials import IDLE, LONGEST, hashed
from cardiofusion.serve.guard.passwords import AT_ONCE, MEMORY_KIB, Passwords, check_rules
from cardiofusion.serve.guard.throttle import CLIENT_BURST, PAIR_BURST, Throttle

PASSWORD = "correct horse battery"
PAGE = {"accept": "text/html"}


def cookies_of(client):
    return {cookie.name: cookie.value for cookie in client.http.cookies.jar}


def dump(clinic):
    """Every value of every table, as text."""
    with clinic.engine.connect() as connection:
        tables = (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        )
        return repr([connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables])


# Signing in


@pytest.mark.parametrize("role", ["reader", "clinician", "admin"])
def test_name_and_password_open_a_session(shared, client_of, role):
    client = client_of(shared)
    answer = client.log_in(f"The.{role.upper()} ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"max-age={12 * 3600}" in cookie
    assert client.get("/").text == f"the.{role} {role}"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("the.reader", "wrong horse battery"),
        ("nobody", PASSWORD),
        ("", ""),
        ("the.reader", ""),
        ("the.reader", PASSWORD + " "),
        ("the.reader' OR '1'='1", PASSWORD),
        ("the.reader", "x" * 100_000),
        ("x" * 100_000, PASSWORD),
        ("<script>alert(1)</script>", "<script>"),
        ("the.reader\x00", PASSWORD),
    ],
)
def test_nobody_else_gets_in_nor_learns_why(shared, client_of, name, password):
    client = client_of(shared)
    answer = client.log_in(name, password)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "The name or the password is not right." in answer.text
    assert name == "" or name not in answer.text
    assert "<script>" not in answer.text
    assert client.get("/").status_code == 401


def test_a_browser_is_led_to_the_form_and_a_program_is_told(shared, client_of):
    client = client_of(shared)
    page = client.get("/case/1", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert client.get("/case/1").status_code == 401
    part = client.get("/case/1", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")
    form = client.get("/login", headers=PAGE)
    assert form.status_code == 200
    assert re.search(r'<form method="post" action="/login"', form.text)
    assert "style=" not in form.text
    assert "onclick" not in form.text


def test_the_local_key_opens_nothing_here(shared, client_of):
    client = client_of(shared)
    assert client.get("/open", params={"token": shared.token}).status_code == 404
    assert client.get("/", headers={"authorization": f"Bearer {shared.token}"}).status_code == 401


def test_another_sites_form_cannot_sign_anybody_in(shared, client_of):
    client = client_of(shared)
    for headers in ({}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        form = {"name": "the.reader", "password": PASSWORD}
        assert client.ask("POST", "/login", data=form, headers=headers).status_code == 403
    assert not cookies_of(client)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b'{"name": "the.reader"}'),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("multipart/form-data", b"nonsense"),
        ("application/x-www-form-urlencoded", b"%ff=%ff&" * 100),
        ("multipart/form-data; boundary=b",
         b'--b\r\ncontent-disposition: form-data; name="password"; filename="a"\r\n\r\nx\r\n--b--\r\n'),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_refused_and_not_repeated(shared, client_of, kind, content):
    answer = client_of(shared).post("/login", content=content, headers={"content-type": kind})
    assert answer.status_code in (400, 401, 422)


def test_a_session_set_by_somebody_else_is_never_taken_over(shared, client_of):
    client = client_of(shared)
    name = f"cardiofusion-{shared.settings.port}"
    client.http.cookies.set(name, "fixed-by-a-stranger", domain="127.0.0.1")
    client.log_in("the.reader")
    first = cookies_of(client)[name]
    assert first != "fixed-by-a-stranger"
    client.log_in("the.reader")
    second = cookies_of(client)[name]
    assert second != first
    assert shared.accounts.credentials.session_actor(first) is None
    assert shared.accounts.credentials.session_actor(second).name == "the.reader"


def test_signing_out_ends_the_session_for_whoever_has_the_cookie(shared, client_of):
    client = client_of(shared)
    client.log_in("the.reader")
    stolen = dict(cookies_of(client))
    answer = client.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert not cookies_of(client)
    thief = client_of(shared)
    for name, value in stolen.items():
        thief.http.cookies.set(name, value, domain="127.0.0.1")
    assert thief.get("/").status_code == 401


@pytest.mark.parametrize("change", ["disable", "password", "role"])
def test_what_changes_an_account_ends_its_sessions_at_once(shared, client_of, change):
    client, other = client_of(shared), client_of(shared)
    client.log_in("the.admin")
    other.log_in("the.reader")
    if change == "disable":
        shared.accounts.disable("the.admin")
    elif change == "password":
        shared.accounts.set_password("the.admin", "another horse battery")
    else:
        shared.accounts.set_role("the.admin", "reader")
    assert client.get("/").status_code == 401
    assert other.get("/").status_code == 200
    assert client.log_in("the.admin").status_code == (303 if change == "role" else 401)


def test_a_disabled_account_has_neither_token_nor_session(shared, client_of):
    person = shared.accounts.person("the.clinician")
    token = shared.accounts.credentials.new_token(person.id, "cart", 30)
    session = shared.accounts.credentials.new_session(person.id)
    shared.accounts.disable("the.clinician")
    late = shared.accounts.credentials.new_session(person.id)  # a sign-in that was under way
    for secret in (session, late):
        assert shared.accounts.credentials.session_actor(secret) is None
    assert shared.accounts.credentials.token_actor(token) is None
    shared.accounts.disable("the.clinician", disabled=False)
    assert shared.accounts.credentials.token_actor(token) is None
    assert client_of(shared).log_in("the.clinician").status_code == 303


# Time


def test_a_session_ends_when_idle_and_after_a_shift(shared):
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    credentials, person = shared.accounts.credentials, shared.accounts.person("the.reader")
    credentials._clock = lambda: moment
    idle, busy = credentials.new_session(person.id), credentials.new_session(person.id)
    ends = moment + LONGEST
    while moment <= ends:
        assert credentials.session_actor(busy) == Actor("the.reader", "reader", person.id)
        moment += IDLE
    assert credentials.session_actor(busy) is None
    assert credentials.session_actor(idle) is None
    fresh = credentials.new_session(person.id)
    moment += IDLE + timedelta(seconds=1)
    assert credentials.session_actor(fresh) is None
    moment -= IDLE
    assert credentials.session_actor(fresh) is None  # gone, not only late


def test_a_token_ends_on_its_day(shared):
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    credentials, person = shared.accounts.credentials, shared.accounts.person("the.reader")
    credentials._clock = lambda: moment
    token = credentials.new_token(person.id, "script", 2)
    moment += timedelta(days=2) - timedelta(seconds=1)
    assert credentials.token_actor(token) is not None
    moment += timedelta(seconds=1)
    assert credentials.token_actor(token) is None
    for days in (0, -1, 367):
        with pytest.raises(InputError, match="1 to 366 days"):
            credentials.new_token(person.id, "script", days)


# Programs


def test_a_programs_token_has_its_owners_role(shared, client_of):
    client = client_of(shared)
    for role, status in (("reader", 403), ("clinician", 200), ("admin", 200)):
        token = shared.accounts.credentials.new_token(shared.accounts.person(f"the.{role}").id, "script", 1)
        headers = {"authorization": f"Bearer {token}"}
        assert client.get("/", headers=headers).text == f"the.{role} {role}"
        assert client.ask("POST", "/case/1/outcome", headers=headers).status_code == status


def test_session_and_token_do_not_pass_for_each_other(shared, client_of):
    client, person = client_of(shared), shared.accounts.person("the.admin")
    session = shared.accounts.credentials.new_session(person.id)
    token = shared.accounts.credentials.new_token(person.id, "script", 1)
    assert client.get("/", headers={"authorization": f"Bearer {session}"}).status_code == 401
    cookie = {"cookie": f"cardiofusion-{shared.settings.port}={token}"}
    assert client.get("/", headers=cookie).status_code == 401


def test_tokens_are_listed_without_themselves_and_revoked_by_name(shared):
    credentials, person = shared.accounts.credentials, shared.accounts.person("the.admin")
    token = credentials.new_token(person.id, "script", 1)
    (shown,) = credentials.tokens(person.id)
    assert shown.name == "script"
    assert token not in repr(shown)
    assert credentials.revoke(person.id, "other") == 0
    assert credentials.revoke(person.id, "script") == 1
    assert credentials.token_actor(token) is None


# Roles

ROUTES = [
    ("GET", "/", "reader"),
    ("GET", "/case/1", "reader"),
    ("POST", "/logout", "reader"),
    ("POST", "/case/1/outcome", "clinician"),
    ("POST", "/upload", "clinician"),
    ("DELETE", "/case/1", "admin"),
]
RANK = {"nobody": 0, "reader": 1, "clinician": 2, "admin": 3}


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
def test_nobody_does_what_only_a_higher_role_may(shared, client_of, method, path, needed):
    for who, rank in RANK.items():
        client = client_of(shared)
        if who != "nobody":
            client.log_in(f"the.{who}")
        status = client.ask(method, path, headers=client.origin).status_code
        if rank == 0:
            assert status == 401
        elif rank < RANK[needed]:
            assert status == 403
        else:
            assert status not in (401, 403)


def test_a_body_is_not_read_for_who_may_not_send_it(shared, client_of):
    client, read = client_of(shared), 0
    client.log_in("the.reader")

    async def body():
        nonlocal read
        read += 1
        yield b"x"

    assert client.post("/upload", content=body()).status_code == 403
    assert read == 0


@pytest.mark.parametrize("path", ["/Case/1", "/case/1/", "//case/1", "/case//1", "/case/1;x", "/case/%31"])
def test_writing_a_path_otherwise_goes_round_nothing(shared, client_of, path):
    client = client_of(shared)
    client.log_in("the.reader")
    assert client.ask("DELETE", path, headers=client.origin).status_code in (307, 403, 404, 405)
    for override in ("x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"):
        headers = client.origin | {override: "DELETE"}
        assert client.ask("POST", "/case/1", headers=headers).status_code == 405


# Too many tries


def test_passwords_cannot_be_tried_on_and_on(shared, client_of):
    client = client_of(shared)
    statuses = [client.log_in("the.reader", f"wrong horse {i}").status_code for i in range(PAIR_BURST + 2)]
    assert statuses == [401] * PAIR_BURST + [429] * 2
    refused = client.log_in("the.reader")  # the right one, too late
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert client.log_in("the.admin").status_code == 303


def test_signing_in_rightly_does_not_count(shared, client_of):
    client = client_of(shared)
    assert {client.log_in("the.reader").status_code for _ in range(2 * PAIR_BURST)} == {303}


def test_one_client_cannot_try_many_names():
    now = 0.0
    throttle = Throttle(clock=lambda: now)
    tried = [throttle.begin(f"name{i}", "192.0.2.1") for i in range(CLIENT_BURST + 1)]
    assert tried[:-1] == [0.0] * CLIENT_BURST
    assert tried[-1] > 0
    assert throttle.begin("name0", "192.0.2.2") == 0.0
    now += tried[-1]
    assert throttle.begin("one.more", "192.0.2.1") == 0.0


def test_many_clients_cannot_try_one_name_without_end():
    throttle = Throttle(clock=lambda: 0.0)
    tries = [throttle.begin("the.admin", f"192.0.2.{i}") for i in range(200)]
    assert 0 < tries.count(0.0) < 100
    assert throttle.begin("the.reader", "192.0.2.1") == 0.0


def test_a_bucket_fills_again_and_remembers_a_bounded_number():
    now = 0.0
    buckets = Buckets(rate=2.0, burst=3, capacity=100, clock=lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.wait("a") == 0.5
    now += 0.5
    assert buckets.take("a") == 0.0
    buckets.give_back("a")
    assert buckets.wait("a") == 0.0
    now += 1000
    assert [buckets.take("a") for _ in range(4)].count(0.0) == 3
    for i in range(1000):
        buckets.take(i)
    assert len(buckets) == 100
    assert retry_after(0.2) == (("retry-after", "1"),)


# Passwords


def test_passwords_are_argon2id_with_todays_parameters():
    made = Passwords().hash(PASSWORD)
    assert made.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=3,p=1$")
    assert Passwords().check(made, PASSWORD)
    assert not Passwords().check(made, PASSWORD + "x")
    assert not Passwords().check(None, "the password of nobody")
    assert not Passwords().check("no hash", PASSWORD)


def test_an_old_hash_is_made_anew_when_its_owner_signs_in(clinic_of):
    clinic = clinic_of(shared=True)
    clinic.accounts.add("old", "reader", PASSWORD)
    stronger = Accounts(clinic.engine, Passwords(memory_kib=128, passes=2))
    assert "m=64,t=1" in dump(clinic)
    assert stronger.check("old", "wrong horse battery") is None
    assert "m=64,t=1" in dump(clinic)
    assert stronger.check("old", PASSWORD).name == "old"
    assert "m=128,t=2" in dump(clinic)
    assert "m=64,t=1" not in dump(clinic)
    assert stronger.check("old", PASSWORD).name == "old"


def test_an_unknown_name_takes_the_time_of_a_known_one(clinic_of):
    clinic = clinic_of(shared=True)
    accounts = Accounts(clinic.engine, counting := Counting())
    accounts.add("known", "reader", PASSWORD)
    accounts.disable("known")
    accounts.add("open", "reader", PASSWORD)
    counting.checked.clear()
    for name in ("open", "known", "unknown"):
        assert accounts.check(name, "wrong horse battery") is None
    # One argon2 each, of the same cost: not what a clock says, which other work would shift.
    assert len(counting.checked) == 3
    assert len({known.split("$")[3] for known in counting.checked}) == 1


class Counting(Passwords):
    """Notes the hashes it verifies against."""

    def __init__(self):
        super().__init__(memory_kib=64, passes=1)
        self.checked = []

    def _verify(self, known, password):
        self.checked.append(known)
        return super()._verify(known, password)


def test_few_are_hashed_at_the_same_time(monkeypatch):
    monkeypatch.setattr("cardiofusion.serve.guard.passwords.BUSY_SECONDS", 0.01)
    passwords = Passwords(memory_kib=64, passes=1)
    for _ in range(AT_ONCE):
        passwords._turns.acquire()
    with pytest.raises(AccessError, match="too many people"):
        passwords.hash(PASSWORD)
    passwords._turns.release()
    assert passwords.check(passwords.hash(PASSWORD), PASSWORD)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "x" * 11,
        "aaaaaaaaaaaaaaa",
        "abababababab",
        "the.reader is me",
        "CardioFusion2030",
        "é" * 300,
    ],
)
def test_what_is_no_password(password):
    with pytest.raises(InputError) as refused:
        check_rules(password, "the.reader")
    assert refused.value.code == "accounts.password"
    assert password == "" or password not in str(refused.value)


@pytest.mark.parametrize("name", ["", "a", "1abc", "a b", "ä.b", "a" * 65, "a\nb", "a/b", "<b>"])
def test_what_is_no_name(shared, name):
    with pytest.raises(InputError, match="no name"):
        shared.accounts.add(name, "reader", PASSWORD)


def test_a_name_is_taken_once_whatever_its_case(shared):
    with pytest.raises(InputError, match="taken"):
        shared.accounts.add("THE.Reader", "admin", PASSWORD)
    with pytest.raises(InputError, match="no role"):
        shared.accounts.add("new.one", "root", PASSWORD)
    with pytest.raises(InputError, match="no role"):
        shared.accounts.set_role("the.reader", "root")
    with pytest.raises(InputError, match="no such account"):
        shared.accounts.disable("nobody")


# What is kept


def test_the_database_holds_no_password_session_or_token(shared, client_of):
    client = client_of(shared)
    client.log_in("the.admin")
    (session,) = cookies_of(client).values()
    token = shared.accounts.credentials.new_token(shared.accounts.person("the.admin").id, "script", 1)
    kept = dump(shared)
    for secret in (PASSWORD, session, token, shared.token):
        assert secret not in kept
    assert hashed(session) in kept
    assert hashed(token) in kept


def test_hashes_never_leave(shared, client_of):
    assert "argon2" in dump(shared)
    for person in shared.accounts.people():
        assert "argon2" not in repr(person)
    client = client_of(shared)
    answers = [client.log_in("the.admin"), client.get("/"), client.log_in("the.admin", "wrong horse battery")]
    assert not any("argon2" in answer.text + str(answer.headers) for answer in answers)


def test_the_audit_log_knows_who_signed_in_and_never_what_was_typed(shared, client_of):
    client = client_of(shared)
    client.log_in("the.reader", "wrong horse battery")
    client.log_in(PASSWORD, PASSWORD)  # typed into the wrong field
    client.log_in("the.reader")
    client.post("/logout")
    person = shared.accounts.person("the.reader")
    lines = [(line.actor, line.action, line.subject) for line in shared.audit.lines()]
    assert lines == [
        ("server", "session.refused", person.id),
        ("server", "session.refused", ""),
        ("the.reader", "session.opened", person.id),
        ("the.reader", "session.closed", person.id),
    ]
    assert PASSWORD not in dump(shared)
    assert shared.audit.verify().lines == 4
