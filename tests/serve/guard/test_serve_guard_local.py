"""A local server: whoever has the key of this start is the one user, everybody else sees nothing."""

from __future__ import annotations

import stat
from html.parser import HTMLParser

import pytest

from cardiofusion.records import InputError
from cardiofusion.serve.guard import launch_address, remove_launch_files, write_launch_files
from cardiofusion.serve.settings import Settings


def test_the_key_becomes_a_strict_cookie_and_leaves_the_address(clinic, client_of):
    client = client_of(clinic)
    answer = client.get("/open", params={"token": clinic.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"cardiofusion-{clinic.settings.port}=")
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert clinic.token not in cookie
    assert clinic.token not in str(answer.headers)
    assert client.get("/").text == "local admin"


def test_a_browser_that_comes_from_a_file_is_led_on_by_a_page_of_ours(clinic, client_of):
    client = client_of(clinic)
    came = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    answer = client.get("/open", params={"token": clinic.token}, headers=came)
    assert answer.status_code == 200
    assert 'content="0;url=/"' in answer.text
    assert clinic.token not in answer.text
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000])
def test_a_wrong_key_opens_nothing(clinic, client_of, token):
    client = client_of(clinic)
    answer = client.get("/open", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert client.get("/").status_code == 401


def test_programs_send_the_key_as_bearer(clinic, client_of):
    client = client_of(clinic)
    right = {"authorization": f"Bearer {clinic.token}"}
    assert client.get("/", headers=right).text == "local admin"
    assert client.ask("POST", "/case/1/outcome", headers=right, content=b"abc").json() == {"size": 3}


@pytest.mark.parametrize(
    "field", ["Bearer", "Bearer ", "Bearer nonsense", "Basic bG9jYWw6bG9jYWw=", "bearer TOKEN x", "TOKEN"]
)
def test_another_authorization_is_refused_even_with_the_cookie(local, clinic, field):
    answer = local.get("/", headers={"authorization": field.replace("TOKEN", clinic.token)})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_key_counts_nowhere_else_in_an_address_or_as_the_cookie_itself(clinic, client_of):
    client = client_of(clinic)
    assert client.get("/", params={"token": clinic.token}).status_code == 401
    assert client.get("/", params={"access_token": clinic.token}).status_code == 401
    cookie = f"cardiofusion-{clinic.settings.port}={clinic.token}"
    assert client.get("/", headers={"cookie": cookie}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/case/1", "/no/such/page", "/openapi.json", "/docs"])
def test_strangers_see_nothing_not_even_what_exists(clinic, client_of, path):
    client = client_of(clinic)
    problem = client.get(path)
    assert problem.status_code == 401
    assert problem.headers["content-type"] == "application/problem+json"
    assert set(problem.json()) == {"type", "title", "status", "detail", "code", "hint"}
    page = client.get(path, headers={"accept": "text/html"})
    assert page.status_code == 401
    assert "This page needs the key of this start" in page.text


def test_what_is_open_without_a_key(clinic, client_of):
    client = client_of(clinic)
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/static/app.css").status_code == 200
    assert client.get("/login").status_code == 404  # of a shared server only


def test_a_stranger_who_keeps_asking_is_told_to_wait(clinic, client_of):
    client = client_of(clinic)
    answers = [client.get("/") for _ in range(80)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert client.get("/", headers={"authorization": f"Bearer {clinic.token}"}).status_code == 200


class Refresh(HTMLParser):
    url = ""

    def handle_starttag(self, tag, attrs):
        fields = dict(attrs)
        if fields.get("http-equiv") == "refresh":
            self.url = fields["content"].partition("url=")[2]


def test_the_files_that_hold_the_key_are_this_users_alone(clinic):
    page = write_launch_files(clinic.settings, clinic.token)
    token = clinic.settings.data / "token"
    assert token.read_text().strip() == clinic.token
    for path in (page, token):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = Refresh()
    found.feed(page.read_text())
    assert found.url == launch_address(clinic.settings, clinic.token)
    remove_launch_files(clinic.settings)
    assert not page.exists()
    assert not token.exists()


def test_a_key_file_that_others_could_read_is_replaced_not_filled(clinic):
    loose = clinic.settings.data / "token"
    loose.touch(mode=0o644)
    held = loose.open()
    write_launch_files(clinic.settings, clinic.token)
    assert stat.S_IMODE(loose.stat().st_mode) == 0o600
    assert held.read() == ""
    held.close()


def test_a_local_server_listens_to_this_machine_only(tmp_path):
    with pytest.raises(InputError, match="nobody would have to sign in"):
        Settings(data=tmp_path, host="0.0.0.0")
