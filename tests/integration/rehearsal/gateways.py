"""Gateways of other people, which find their way to the service in other ways."""

from breakwall.payments.gateways import GatewaySettings
from breakwall.payments.gateways.http import HttpGateway


def by_url_alone(settings: GatewaySettings) -> HttpGateway:
    """Uses no proxy."""
    return HttpGateway(str(settings.url), profile=settings.profile)


def by_its_own_way(settings: GatewaySettings) -> HttpGateway:
    """Uses neither a proxy nor ``PAYMENT_URL``."""
    return HttpGateway(settings.option("address", str), profile=settings.profile)


def by_a_proxy_that_fails(settings: GatewaySettings) -> HttpGateway:
    """Through a proxy it reaches something else."""
    url = settings.option("elsewhere", str) if settings.proxy() else str(settings.url)
    return HttpGateway(url, profile=settings.profile, proxy=settings.proxy)
