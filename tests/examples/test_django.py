"""What only the shop on Django has: the check against forged forms."""

from tests.examples.shops import Shop


def test_a_form_without_djangos_token_is_refused_and_nothing_is_stored(django_shop: Shop) -> None:
    form, before = django_shop.customer.form(), len(django_shop.stored())
    del form["csrfmiddlewaretoken"]
    assert django_shop.customer.send(form).status_code == 403
    assert len(django_shop.stored()) == before


def test_the_form_sends_its_origin_which_django_checks(django_shop: Shop) -> None:
    """With the policy of the order's page, browsers send none."""
    assert django_shop.customer.client.get("/").headers["Referrer-Policy"] == "same-origin"


def test_its_answers_are_not_shown_inside_other_pages(django_shop: Shop) -> None:
    assert django_shop.customer.client.get("/").headers["X-Frame-Options"] == "DENY"
