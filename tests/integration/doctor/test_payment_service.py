"""`doctor` and a payment service that cannot be used: each reason has a sentence of its own that says what to do."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from breakwall.doctor.findings import Finding
from breakwall.doctor.payment_service import payment_service
from breakwall.payments.gateways import (
    GatewayConfigError,
    GatewaySettings,
    Health,
    LookupAnswer,
    LookupResult,
)
from breakwall.settings import load_settings
from tests.acceptance.shop import PaymentService
from tests.application_server import serving
from tests.command import Terminal
from tests.integration.gateway_stub import (
    StubConnection,
    answering,
    hang_after_reading,
    hang_before_reading,
    response,
)
from tests.integration.tls_services import (
    DEMANDING,
    Certificates,
    application,
    nginx,
    paying,
    serving_script,
)
from tests.servers.workspace import free_port
from tests.stripe.service import SECRET_KEY, LocalStripe
from tests.unit.payments.gateways.plain_gateway import PROFILE, PlainGateway

SECRET = "s3cr3t-s3cr3t"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def examine(**variables: object) -> Finding:
    given = {f"BREAKWALL_PAYMENT_{name}": str(value) for name, value in variables.items()}
    (finding,) = payment_service(load_settings(given))
    assert SECRET not in str(finding)
    return finding


def assert_problem(finding: Finding, what: str, todo: str) -> None:
    assert not finding.ok
    assert what in finding.detail, finding
    assert todo in finding.advice, finding


class TestTheAddress:
    def test_a_name_that_does_not_resolve(self) -> None:
        found = examine(URL="https://pay.breakwall.invalid", TIMEOUT=20)
        # A machine without name servers may not even get a "no".
        if "in time" not in found.detail:
            assert_problem(found, "its name does not resolve", "Check the host in BREAKWALL_PAYMENT_URL")

    def test_a_port_where_nothing_listens(self) -> None:
        found = examine(URL=f"http://127.0.0.1:{free_port()}")
        assert_problem(
            found, "nothing listens on its port", "Check the host and port in BREAKWALL_PAYMENT_URL"
        )

    @pytest.mark.parametrize("path", ["/v3", "/api"])
    def test_a_wrong_path_of_a_service_whose_every_404_is_json(self, path: str) -> None:
        with serving(application()) as url:
            assert examine(URL=url) == Finding("payment service", True, f"{url} answers")
            found = examine(URL=f"{url}{path}")
        assert_problem(
            found, "neither /api/charge nor /api/charges/… is there", "Check the host and the path"
        )

    def test_a_wrong_path_of_a_service_whose_404_is_a_page(self, certificates: Certificates) -> None:
        with serving_script(answering(response(404, b"<html>", "Content-Type: text/html"))) as server:
            found = examine(URL=server.url)
        assert_problem(
            found, "its address is not there", "Check the host and the path in BREAKWALL_PAYMENT_URL"
        )

    def test_a_page_of_something_else(self) -> None:
        shop = FastAPI()
        shop.get("/{path:path}")(lambda path: HTMLResponse("<html>Welcome to our shop</html>"))
        with serving(shop) as url:
            found = examine(URL=url)
        assert_problem(
            found, "something else answers there", "the port and the path in BREAKWALL_PAYMENT_URL"
        )

    def test_something_that_knows_every_charge(self) -> None:
        paid = response(200, b'{"status": "succeeded", "charge_id": "ch_1"}')
        with serving_script(answering(paid)) as server:
            found = examine(URL=server.url)
        assert_problem(found, "says succeeded of a charge that was never made", "cannot be believed")

    def test_a_service_that_hangs(self) -> None:
        with serving_script(hang_after_reading) as server:
            found = examine(URL=server.url, TIMEOUT=0.3)
        assert_problem(found, "it took the request and does not answer", "it hangs")

    def test_the_simulator_is_as_it_should_be(self, module_payment_service: PaymentService) -> None:
        url = module_payment_service.url
        assert examine(URL=url) == Finding("payment service", True, f"{url} answers")
        assert not examine(URL=f"{url}/v2").ok


class TestTheLookUp:
    def test_a_service_without_one_that_says_so(self) -> None:
        with serving_script(answering(response(405, b"{}"))) as server:
            found = examine(URL=server.url)
        assert_problem(found, "has no look-up there", "orders whose outcome stays unknown need a person")

    def test_a_service_without_one_that_answers_404_everywhere(self) -> None:
        with serving(application(looks_up=False)) as url:
            found = examine(URL=url)
        assert found.ok
        assert "/api/charges/… does so like an address that does not exist" in found.detail
        assert "If the service has no look-up, orders" in found.advice


class TestTheCredentials:
    def test_a_right_token(self) -> None:
        with serving(application(token=SECRET)) as url:
            assert examine(URL=url, TOKEN=SECRET) == Finding("payment service", True, f"{url} answers")

    @pytest.mark.parametrize("where", ["TOKEN", "HEADERS", "URL"])
    def test_a_wrong_one_is_named_by_its_setting(self, where: str) -> None:
        with serving(application(token="another")) as url:
            given = {
                "TOKEN": {"URL": url, "TOKEN": SECRET},
                "HEADERS": {"URL": url, "HEADERS": f'{{"Authorization": "Bearer {SECRET}"}}'},
                "URL": {"URL": url.replace("://", f"://shop:{SECRET}@")},
            }[where]
            found = examine(**given)
        assert_problem(found, "HTTP 401", f"BREAKWALL_PAYMENT_{where}: the address is right")

    def test_none_where_some_are_needed(self) -> None:
        with serving(application(token="another")) as url:
            found = examine(URL=url)
        assert_problem(found, "HTTP 401", "none are set: set BREAKWALL_PAYMENT_TOKEN")

    def test_one_that_lacks_a_right(self) -> None:
        with serving_script(answering(response(403, b"{}"))) as server:
            found = examine(URL=server.url, TOKEN=SECRET)
        assert_problem(found, "HTTP 403", "Check BREAKWALL_PAYMENT_TOKEN: the service may know them")

    def test_some_that_the_look_up_does_not_read_are_not_said_to_be_right(self) -> None:
        with serving(application()) as url:
            found = examine(URL=url, TOKEN=SECRET)
        assert found.ok
        assert found.detail.endswith(
            "its look-up needs no credentials, so BREAKWALL_PAYMENT_TOKEN could not be tested"
        )
        assert found.advice == "So a wrong one shows only with the first charge: place one small order."

    def test_a_file_that_was_removed(self, tmp_path: Path) -> None:
        file = tmp_path / "headers"
        file.write_text("{}")
        settings = load_settings({"BREAKWALL_PAYMENT_HEADERS_FILE": str(file)})
        file.unlink()
        (found,) = payment_service(settings)
        assert_problem(
            found, "BREAKWALL_PAYMENT_HEADERS_FILE cannot be read: No such file", "Put a usable file"
        )

    def test_the_command_exits_with_1_and_says_so_in_json(self, short_terminal: Terminal) -> None:
        with serving(application(token="another")) as url:
            short_terminal.set(PAYMENT_URL=url, PAYMENT_TOKEN=SECRET)
            ran = short_terminal.run("doctor", "-o", "json")
        assert (ran.code, ran.document["ok"]) == (1, False)
        (found,) = [check for check in ran.document["checks"] if not check["ok"]]
        assert found["advice"].startswith("Check BREAKWALL_PAYMENT_TOKEN: ")
        assert SECRET not in ran.out + ran.err


def absent(method: str, argument: object) -> LookupAnswer:
    return LookupAnswer(LookupResult.ABSENT, Health.SUCCESS)


class CheckingGateway(PlainGateway):
    """It has no look-up, and a test of its credentials."""

    token = ""

    def check_access(self, *, deadline: float) -> LookupAnswer:
        if SECRET in self.token:
            return LookupAnswer(LookupResult.ABSENT, Health.SUCCESS)
        detail = "Acme does not know this key."
        return LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL, code="unknown_key", detail=detail)


class TestAnotherGateway:
    @pytest.fixture(autouse=True)
    def shop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def needing(settings: GatewaySettings) -> PlainGateway:
            if settings.token is None or settings.url is not None:
                raise GatewayConfigError("set BREAKWALL_PAYMENT_TOKEN and no URL")
            return PlainGateway(absent)

        def checking(settings: GatewaySettings) -> PlainGateway:
            gateway = CheckingGateway(absent, replace(PROFILE, looks_up=False))
            gateway.token = settings.token() if settings.token else ""
            return gateway

        module = ModuleType("shop_pay")
        module.needing, module.checking = needing, checking  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "shop_pay", module)

    def test_is_not_made_without_the_credentials_that_it_needs(self) -> None:
        found = examine(GATEWAY="shop_pay:needing", TOKEN=SECRET)
        assert found.ok
        assert found.detail == (
            "the gateway shop_pay:needing answers; it has no `check_access`, so BREAKWALL_PAYMENT_TOKEN could not "
            "be tested"
        )

    def test_that_can_test_its_credentials_does(self) -> None:
        gateway = "shop_pay:checking"
        detail = f"the gateway {gateway} answers"
        assert examine(GATEWAY=gateway, TOKEN=SECRET) == Finding("payment service", True, detail)
        assert_problem(
            examine(GATEWAY=gateway, TOKEN="another"), "Acme does not know this key", "BREAKWALL_PAYMENT_URL"
        )


class TestStripe:
    @pytest.fixture(scope="class")
    @staticmethod
    def url() -> Iterator[str]:
        service = LocalStripe()
        yield f"http://127.0.0.1:{service.port}"
        service.close()

    def test_a_right_key(self, url: str) -> None:
        found = examine(GATEWAY="stripe", URL=url, TOKEN=SECRET_KEY)
        assert found == Finding("payment service", True, f"the gateway stripe {url} answers")

    def test_a_wrong_key_is_a_problem(self, url: str) -> None:
        found = examine(GATEWAY="stripe", URL=url, TOKEN=f"rk_test_{SECRET}")
        assert_problem(
            found, "check BREAKWALL_PAYMENT_TOKEN", "Check BREAKWALL_PAYMENT_TOKEN, …_STRIPE_ACCOUNT"
        )

    def test_a_key_that_cannot_charge_is_a_matter_of_stripes_page(self) -> None:
        assert_problem(examine(GATEWAY="stripe", TOKEN=f"pk_test_{SECRET}"), "publishable", "docs/stripe.md")

    def test_an_address_where_nothing_listens(self) -> None:
        found = examine(GATEWAY="stripe", URL=f"http://127.0.0.1:{free_port()}", TOKEN=SECRET_KEY)
        assert_problem(found, "nothing listens on its port", "BREAKWALL_PAYMENT_URL")


class TestTheProxy:
    def test_that_is_not_there(self) -> None:
        found = examine(URL="https://pay.example", PROXY=f"http://127.0.0.1:{free_port()}")
        assert_problem(found, "the proxy is not there", "host and port in BREAKWALL_PAYMENT_PROXY")

    def test_that_hangs(self) -> None:
        with serving_script(hang_before_reading) as middle:
            found = examine(URL="https://pay.example", PROXY=middle.url, TIMEOUT=0.3)
        assert_problem(found, "the proxy hangs", "BREAKWALL_PAYMENT_PROXY")

    @pytest.mark.parametrize("scheme", ["https", "http"])
    def test_that_does_not_know_us(self, proxy: str, scheme: str) -> None:
        found = examine(URL=f"{scheme}://127.0.0.1:9", PROXY=f"http://shop:{SECRET}-wrong@{proxy}")
        assert_problem(found, "the proxy does not accept our credentials", "Check the user and password in")

    def test_that_cannot_reach_the_service(self, proxy: str) -> None:
        found = examine(URL=f"https://127.0.0.1:{free_port()}", PROXY=f"http://shop:{SECRET}@{proxy}")
        assert_problem(found, "the proxy", "Check the host and port in BREAKWALL_PAYMENT_URL")


class TestTls:
    @pytest.fixture(params=["uvicorn", "a script"])
    def plain(self, request: pytest.FixtureRequest) -> Iterator[str]:
        def answer_anything(connection: StubConnection) -> None:
            connection.sock.recv(10)
            connection.send(response(400, b"no"))

        if request.param == "uvicorn":
            with serving(application()) as url:
                yield url
        else:
            with serving_script(answer_anything) as server:
                yield server.url

    def test_a_port_that_does_not_speak_it(self, plain: str) -> None:
        found = examine(URL=plain.replace("http:", "https:"))
        assert_problem(found, "its port does not speak TLS", "Check the port in BREAKWALL_PAYMENT_URL")

    @pytest.mark.parametrize("name", DEMANDING)
    def test_a_port_that_speaks_it_and_is_not_asked_to(
        self, certificates: Certificates, tmp_path: Path, name: str
    ) -> None:
        with DEMANDING[name](certificates, tmp_path) as url:
            found = examine(URL=url.replace("https:", "http:"))
        assert_problem(found, "its port speaks TLS", "Write https:// in BREAKWALL_PAYMENT_URL.")

    @pytest.mark.parametrize(
        ("authority", "host", "days", "what", "todo"),
        [
            ("clients", "IP:127.0.0.1", 2, "we do not trust", "into BREAKWALL_PAYMENT_CA_FILE"),
            ("services", "IP:127.0.0.1", -1, "is not valid now", "operators to renew it"),
            ("services", "DNS:pay.example", 2, "is for another host", "the host into BREAKWALL_PAYMENT_URL"),
        ],
    )
    def test_a_certificate_of_the_service_that_is_wrong(
        self, certificates: Certificates, authority: str, host: str, days: int, what: str, todo: str
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(getattr(certificates, authority).issue(host, days=days))
        with serving_script(paying, context) as server:
            found = examine(URL=server.url, CA_FILE=certificates.services.certificate)
        assert_problem(found, what, todo)

    def test_a_certificate_that_the_service_signed_itself(self, certificates: Certificates) -> None:
        with serving_script(paying, certificates.server_context(demand=False)) as server:
            found = examine(URL=server.url)
        assert_problem(
            found, "we do not trust the authority of its certificate", "signs its certificate itself"
        )

    @pytest.mark.parametrize("which", ["missing", "expired", "another"])
    @pytest.mark.parametrize("name", DEMANDING)
    def test_a_certificate_of_ours_that_is_wrong(
        self, certificates: Certificates, tmp_path: Path, name: str, which: str
    ) -> None:
        files: dict[str, Callable[[], dict[str, Path]]] = {
            "missing": dict,
            "expired": lambda: {"CERT_FILE": certificates.clients.issue("DNS:shop", days=-1)},
            "another": lambda: {"CERT_FILE": certificates.services.issue("DNS:shop")},
        }
        with DEMANDING[name](certificates, tmp_path) as url:
            found = examine(URL=url, CA_FILE=certificates.services.certificate, **files[which]())
        # Some servers hang up without a reason: then all that may be wrong is named.
        assert not found.ok
        assert "BREAKWALL_PAYMENT_CERT_FILE" in found.advice, found

    def test_nginx_tells_a_missing_from_a_refused_one(
        self, certificates: Certificates, tmp_path: Path
    ) -> None:
        trusting = {"CA_FILE": certificates.services.certificate}
        with nginx(certificates, tmp_path) as url:
            missing = examine(URL=url, **trusting)
            refused = examine(URL=url, **trusting, CERT_FILE=certificates.services.issue("DNS:shop"))
            right = examine(URL=url, **trusting, CERT_FILE=certificates.clients.issue("DNS:shop"))
        assert_problem(missing, "it wants a certificate of ours", "Set BREAKWALL_PAYMENT_CERT_FILE")
        assert_problem(refused, "it refuses our certificate", "Check BREAKWALL_PAYMENT_CERT_FILE")
        assert right == Finding("payment service", True, f"{url} answers")
