"""Credentials are read or refused with what would be right, and never shown."""

from pathlib import Path

import pytest

from breakwall.payments.gateways import gateway_from_settings
from breakwall.settings import Settings, SettingsError, load_settings

SECRET = "s3cr3t-s3cr3t"
HTTPS = "https://pay.example"


def read(**variables: str | Path) -> Settings:
    return load_settings({f"BREAKWALL_PAYMENT_{name}": str(value) for name, value in variables.items()})


def problem(**variables: str | Path) -> str:
    with pytest.raises(SettingsError) as refused:
        read(**variables)
    (line,) = refused.value.problems
    assert SECRET not in line
    return line.removeprefix("BREAKWALL_PAYMENT_")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


CREDENTIALS = (
    "TOKEN",
    "TOKEN_FILE",
    "HEADERS",
    "HEADERS_FILE",
    "CA_FILE",
    "CERT_FILE",
    "KEY_FILE",
    "PROXY",
    "PROXY_FILE",
)


def test_an_empty_variable_is_not_set() -> None:
    assert read(**dict.fromkeys(CREDENTIALS, "")) == Settings()


@pytest.mark.parametrize("token", [f"{SECRET} x", f"{SECRET}\n", f"{SECRET}é", " "])
def test_a_token_is_one_word_of_visible_ascii(token: str) -> None:
    assert problem(TOKEN=token).startswith("TOKEN: should be one token of visible ASCII characters")


@pytest.mark.parametrize("text", ["", f"{SECRET} x", f"{SECRET}\n{SECRET}", f"{SECRET}주"])
def test_so_is_a_token_in_a_file(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    assert problem(TOKEN_FILE=token_file).startswith("TOKEN_FILE: should be one token")


@pytest.mark.parametrize(
    "name", ["TOKEN_FILE", "HEADERS_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE", "PROXY_FILE"]
)
def test_a_file_that_is_not_there_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(URL=HTTPS, **{name: tmp_path / "none"})
    assert f"BREAKWALL_PAYMENT_{name}: cannot be read: No such file or directory" in refused.value.problems


@pytest.mark.parametrize("name", ["CA_FILE", "CERT_FILE"])
def test_a_file_that_is_no_certificate_is_refused(token_file: Path, name: str) -> None:
    assert problem(URL=HTTPS, **{name: token_file}).startswith(f"{name}: should hold ")


@pytest.mark.parametrize("name", ["CERT_FILE", "KEY_FILE"])
def test_tls_files_are_refused_where_there_is_no_tls(token_file: Path, name: str) -> None:
    assert "unless BREAKWALL_PAYMENT_URL starts with" in problem(
        URL="http://pay.example", **{name: token_file}
    )


def test_a_key_needs_its_certificate(token_file: Path) -> None:
    assert problem(URL=HTTPS, KEY_FILE=token_file).startswith("CERT_FILE: should name the certificate")


AS_USER = f"http://shop:{SECRET}@pay.example"
AUTHORIZATION = f'{{"authorization": "Basic {SECRET}"}}'


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"URL": AS_USER, "TOKEN": SECRET}, "TOKEN"),
        ({"URL": AS_USER, "TOKEN_FILE": "a file"}, "TOKEN_FILE"),
        ({"URL": AS_USER, "HEADERS": AUTHORIZATION}, "HEADERS"),
        ({"TOKEN": SECRET, "TOKEN_FILE": "a file"}, "TOKEN_FILE"),
        ({"TOKEN": SECRET, "HEADERS": AUTHORIZATION}, "HEADERS"),
        ({"TOKEN_FILE": "a file", "HEADERS": AUTHORIZATION}, "HEADERS"),
        ({"TOKEN": SECRET, "HEADERS_FILE": "a file of headers"}, "HEADERS_FILE"),
        ({"URL": AS_USER, "HEADERS_FILE": "a file of headers"}, "HEADERS_FILE"),
        ({"HEADERS": AUTHORIZATION, "HEADERS_FILE": "a file of headers"}, "HEADERS_FILE"),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, dict) else "",
)
def test_credentials_are_given_once(token_file: Path, given: dict[str, str], refused: str) -> None:
    headers_file = token_file.with_name("headers")
    headers_file.write_text(AUTHORIZATION)
    files = {"a file": token_file, "a file of headers": headers_file}
    line = problem(**{name: files.get(value, value) for name, value in given.items()})
    assert line.startswith(f"{refused}: holds credentials, and ")


def test_other_headers_are_allowed_beside_a_token() -> None:
    settings = read(TOKEN=SECRET, HEADERS='{"X-Shop": "17", "X-Region": "kr"}')
    assert settings.own_payment_headers == {"X-Shop": "17", "X-Region": "kr"}


@pytest.mark.parametrize(
    "name",
    [
        "Idempotency-Key",
        "content-type",
        "HOST",
        "Content-Length",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "Connection",
        "Transfer-Encoding",
        "Proxy-Authorization",
        "TE",
        "Upgrade",
        "Expect",
    ],
)
def test_no_header_of_ours_can_be_set(name: str) -> None:
    assert problem(HEADERS=f'{{"{name}": "{SECRET}"}}').startswith(f"HEADERS: should not set {name}: ")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f'["{SECRET}"]',
        f'{{"X-A": ["{SECRET}"]}}',
        '{"X-A": 17}',
        f'{{"X-A": "{SECRET}\\r\\nX-B: 1"}}',
        f'{{"X-A": "{SECRET}\\n"}}',
        f'{{"X-A": " {SECRET}"}}',
        f'{{"X-A": "{SECRET}주"}}',
        '{"X-A": ""}',
        f'{{"X A": "{SECRET}"}}',
        f'{{"": "{SECRET}"}}',
        f'{{"X-A": "{SECRET}", "X-A": "1"}}',
        f'{{"X-A": "{SECRET}", "x-a": "1"}}',
        "[" * 100_000,
    ],
)
def test_headers_that_cannot_be_sent_are_refused(text: str) -> None:
    assert problem(HEADERS=text).startswith("HEADERS: ")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"https://u:{SECRET}@proxy:3128", "should be a URL that starts with one of http://"),
        (f"socks5://u:{SECRET}@proxy:3128", "should be a URL that starts with one of http://"),
        (f"u:{SECRET}@proxy:3128", "should be a URL that starts with one of http://"),
        (f"http://u:{SECRET}@proxy", "names no port"),
        (f"http://u:{SECRET}@proxy:3128/path", "should end with its port"),
        (f"http://u:{SECRET}@proxy:3128?a", "should end with its port"),
        (f"http://u:{SECRET}@:3128", "names no host"),
        (f"http://u:{SECRET}@pro xy:3128", "has a host that cannot be one"),
    ],
)
def test_a_proxy_is_an_http_address_with_its_port(url: str, why: str) -> None:
    assert problem(PROXY=url).startswith(f"PROXY: {why}")


@pytest.mark.parametrize("url", ["http://proxy:3128", "http://u:p@[::1]:3128/", "http://ü.example:1"])
def test_a_usable_proxy_is_accepted(url: str) -> None:
    gateway_from_settings(read(PROXY=url)).close()


def test_headers_may_be_in_a_file_beside_others(token_file: Path) -> None:
    token_file.write_text(f'{{"X-Api-Key": "{SECRET}"}}\n')
    settings = read(TOKEN=SECRET, HEADERS='{"X-Shop": "17"}', HEADERS_FILE=token_file)
    assert settings.own_payment_headers == {"X-Shop": "17", "X-Api-Key": SECRET}


def test_a_header_is_not_in_both(token_file: Path) -> None:
    token_file.write_text(f'{{"x-shop": "{SECRET}"}}')
    line = problem(HEADERS='{"X-Shop": "17"}', HEADERS_FILE=token_file)
    assert line.startswith("HEADERS_FILE: names a header that BREAKWALL_PAYMENT_HEADERS names, too")


@pytest.mark.parametrize("text", [SECRET, f'{{"X-A": "{SECRET}\\n"}}', f'{{"Host": "{SECRET}"}}', "é"])
def test_headers_in_a_file_are_checked_as_any(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    assert problem(HEADERS_FILE=token_file).startswith("HEADERS_FILE: ")


def test_a_proxy_may_be_in_a_file(token_file: Path) -> None:
    token_file.write_text(f"http://u:{SECRET}@proxy:3128\n")
    assert read(PROXY_FILE=token_file).payment_proxy_url == f"http://u:{SECRET}@proxy:3128"
    assert problem(PROXY="http://proxy:1", PROXY_FILE=token_file).startswith(
        "PROXY_FILE: names a proxy, and so"
    )


@pytest.mark.parametrize("text", [SECRET, f"u:{SECRET}@proxy:3128", f"http://u:{SECRET}@proxy", "", "é"])
def test_a_proxy_in_a_file_is_checked_as_any(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    assert problem(PROXY_FILE=token_file).startswith("PROXY_FILE: ")


def test_no_secret_is_shown(token_file: Path) -> None:
    headers_file, proxy_file = token_file.with_name("headers"), token_file.with_name("proxy")
    headers_file.write_text(f'{{"X-A": "{SECRET}"}}')
    proxy_file.write_text(f"http://u:{SECRET}@proxy:3128")
    for given in (
        {"HEADERS_FILE": headers_file, "PROXY_FILE": proxy_file},
        {"TOKEN": SECRET, "HEADERS": f'{{"X-A": "{SECRET}"}}', "PROXY": f"http://u:{SECRET}@proxy:3128"},
        {"TOKEN_FILE": token_file},
    ):
        settings = read(**given)
        gateway = gateway_from_settings(settings)
        assert SECRET not in f"{settings!r} {settings} {gateway!r} {gateway}"
        gateway.close()
