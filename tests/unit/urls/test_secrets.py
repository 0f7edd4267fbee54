"""No part of a password is shown, however wrong its URL is, and whatever fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings

from breakwall.breaker import StoreLostError, store_from_url
from breakwall.broker.depth import queue_depth
from breakwall.cli.errors import explain
from breakwall.doctor.broker import broker
from breakwall.doctor.checks import breaker_store
from breakwall.doctor.database import database
from breakwall.doctor.payment_service import payment_service
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.settings import Settings, SettingsError, load_settings
from breakwall.urls.address import where
from breakwall.wiring import inspect_breaker, open_database
from tests.shown_secrets import SECRETS, everything_logged, pieces

DEAD = "127.0.0.1:9"
PLACES = [
    ("DATABASE_URL", "postgresql://u:{}@127.0.0.1:9/x"),
    ("DATABASE_URL", "postgresql://{}@127.0.0.1:9/x"),
    ("DATABASE_URL", "postgresql://127.0.0.1:9/x?password={}"),
    ("DATABASE_URL", "postgresql://127.0.0.1:9/x?sslpassword={}"),
    ("DATABASE_URL", "postgresql+psycopg://{}:{}@127.0.0.1:9/x?sslmode={}"),
    ("BROKER_URL", "redis://:{}@127.0.0.1:9/0"),
    ("BROKER_URL", "redis://{}@127.0.0.1:9/0"),
    ("BROKER_URL", "rediss://u:{}@127.0.0.1:9/0"),
    ("BROKER_URL", "redis://127.0.0.1:9/0?password={}"),
    ("BROKER_URL", "redis+socket://:{}@/nowhere/s?virtual_host={}"),
    ("BROKER_URL", "amqp://u:{}@127.0.0.1:9//"),
    ("BROKER_URL", "amqp://u:{}@127.0.0.1:8//;amqp://u:{}@127.0.0.1:9//"),
    ("BROKER_URL", "sentinel://:{}@127.0.0.1:9;sentinel://127.0.0.1:8/0?master_name=m&sentinel_password={}"),
    ("BROKER_URL", "redis+socket://:12/{}@/nowhere/s"),
    ("BREAKER_STORE_URL", "redis://:{}@127.0.0.1:9/0"),
    ("BREAKER_STORE_URL", "redis://{}@127.0.0.1:9/0"),
    ("BREAKER_STORE_URL", "redis://127.0.0.1:9/0?password={}"),
    ("BREAKER_STORE_URL", "unix://:{}@/nowhere/s?db={}"),
    ("BREAKER_STORE_URL", "unix://:12/{}@/nowhere/s"),
    ("BREAKER_STORE_URL", "sentinel://:{}@127.0.0.1:9/0?master_name=m"),
    ("BREAKER_STORE_URL", "postgresql://u:{}@127.0.0.1:9/x"),
    ("BREAKER_STORE_URL", "memory://{}"),
    ("PAYMENT_URL", "http://u:{}@127.0.0.1:9/v2"),
    ("PAYMENT_URL", "http://{}@127.0.0.1:9/v2"),
    ("PAYMENT_PROXY", "http://u:{}@127.0.0.1:9"),
    ("PAYMENT_PROXY", "http://{}@127.0.0.1:9"),
]


def told_by_errors(chosen: Settings) -> Iterator[str]:
    """What commands report of addresses without a server, and what a debugger shows."""
    yield f"{chosen!r} {chosen}"
    yield where(chosen.database) + where(chosen.broker) + where(chosen.breaker_store)
    if chosen.database_url is not None:
        yield told_by_the_database(chosen)
    if chosen.broker_url is not None:
        assert queue_depth(chosen) is None
        yield str(broker(chosen))
    if chosen.breaker_store_url is not None and not chosen.breaker_store.startswith("memory"):
        yield str(breaker_store(chosen)) + repr(store_from_url(chosen.breaker_store))
    if {"payment_url", "payment_proxy"} & chosen.model_fields_set:
        yield str(payment_service(chosen))


def told_by_the_database(chosen: Settings) -> str:
    with closing(open_database(chosen)) as opened:
        with pytest.raises(DatabaseUnavailableError) as failed:
            opened.read(lambda connection: None)
        explained = explain(failed.value)
        # A user without a password may be a password without a user, and SQLAlchemy's repr shows users.
        shown = repr(opened.engine) if opened.engine.url.password else ""
        return f"{opened!r} {shown} {failed.value} {explained} {database(chosen)}"


@settings(max_examples=25, deadline=None)
@given(secret=SECRETS)
@pytest.mark.parametrize(("variable", "template"), PLACES)
def test_no_part_of_a_secret_is_shown_however_it_was_written(
    variable: str, template: str, secret: str
) -> None:
    # With a colon in the password, its first half is read as a user.
    assume("://{}@" not in template or ":" not in secret)
    url = template.format(*[secret] * template.count("{}"))
    with everything_logged() as logged:
        try:
            told = " ".join(told_by_errors(load_settings({f"BREAKWALL_{variable}": url})))
        except SettingsError as error:
            told = f"{error} {error!r} {explain(error)}"
    seen = told + logged.getvalue()
    assert not [piece for piece in pieces(secret) if piece in seen], seen


@settings(max_examples=100, deadline=None)
@given(secret=SECRETS)
def test_a_library_shows_no_secret_of_a_url_either(secret: str) -> None:
    for template in [
        template for variable, template in PLACES if variable.endswith(("STORE_URL", "BASE_URL"))
    ]:
        url = template.format(*[secret] * template.count("{}"))
        said = ""
        for make in (store_from_url, Database):
            try:
                said += repr(make(url))
            except (ValueError, ModuleNotFoundError) as error:
                said += f"{error!r} {error.__cause__!r}"
        assert not [piece for piece in pieces(secret) if piece in said], said


@pytest.mark.parametrize(("variable", "template"), PLACES)
def test_an_escaped_password_is_accepted(variable: str, template: str) -> None:
    if (
        "?pass" in template
        or template.count("{}") != 1
        or re.search(r"(redis|unix)://\{|\?ssl|memory|:12/", template)
    ):
        return
    url = template.format(quote("p@ss/w#o?r:d%", safe=""))
    assert load_settings({f"BREAKWALL_{variable}": url})


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BREAKER_STORE_URL"])
def test_an_at_sign_in_the_databases_password_is_refused_with_its_escape(variable: str) -> None:
    """A row of the fault map: every command's error showed half of the password as a host."""
    with pytest.raises(SettingsError, match=r"holds an @ elsewhere .* @ is %40") as refused:
        load_settings({f"BREAKWALL_{variable}": "postgresql://u:pa@ss@h/x"})
    assert "ss@h" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "amqp"])
def test_a_password_after_the_question_mark_of_the_broker_is_refused(scheme: str) -> None:
    """A row of the fault map: it was accepted, and then raised a raw TypeError."""
    with pytest.raises(SettingsError, match=r"after (a|its) \?"):
        load_settings({"BREAKWALL_BROKER_URL": f"{scheme}://h/0?password=geheim"})


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgresql://h/u:geheim"),
        ("DATABASE_URL", "postgresql://h/x&password=geheim"),
        ("BREAKER_STORE_URL", "postgresql://h/x;password=geheim"),
        ("BROKER_URL", "amqp://h/u:geheim"),
    ],
)
def test_a_password_within_a_name_is_refused_because_the_server_would_repeat_it(
    variable: str, url: str
) -> None:
    with pytest.raises(SettingsError, match=r"has a : ; & or = in its .* belong before the host") as refused:
        load_settings({f"BREAKWALL_{variable}": url})
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:@/postgres?host=/run/postgresql",
        "postgresql://u:p:w@h1,h2:5432/x?sslmode=verify-full&sslrootcert=/etc/ca.pem&application_name=shop",
        "postgresql://u@h/x?connect_timeout=3&target_session_attrs=read-write&options=-c%20search_path%3Dshop",
        "postgresql://u:p@/x?host=h1:5432&host=h2:5433",
        "postgresql://u:p@h/shop%3A1",
    ],
)
def test_a_servers_parameters_are_accepted(url: str) -> None:
    assert load_settings({"BREAKWALL_DATABASE_URL": url})


def test_a_user_without_a_password_may_be_one_and_is_not_shown() -> None:
    chosen = load_settings({"BREAKWALL_DATABASE_URL": f"postgresql://geheim17@{DEAD}/x"})
    assert "geheim17" not in told_by_the_database(chosen)


def test_a_lost_override_shows_no_secret_of_the_store() -> None:
    chosen = load_settings({"BREAKWALL_BREAKER_STORE_URL": f"redis://:geheim17@{DEAD}/0"})
    with closing(inspect_breaker(chosen)) as breaker, pytest.raises(StoreLostError) as lost:
        breaker.force_open("maintenance", "ops")
    assert "geheim17" not in str(lost.value)
