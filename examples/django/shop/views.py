"""A tea shop on Django. Breakwall charges its orders; how queued ones end, it tells the shop by a webhook."""

import secrets
from contextlib import suppress
from functools import cache

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from standardwebhooks import Webhook, WebhookVerificationError

from breakwall.producers import DatabaseUnavailableError, InvalidOrderError, OrderProducer
from shop.models import PRICE, HeardEvent, ShopOrder, in_euros

verifier = Webhook(settings.WEBHOOK_SECRET)
producer = cache(OrderProducer.from_settings)  # One for each process: `wsgi.py` makes it when that starts.


@require_safe
@never_cache
def form(request: HttpRequest) -> HttpResponse:
    return render(request, "form.html", {"form": secrets.token_urlsafe(16), "price": in_euros(PRICE)})


@require_POST
def take(request: HttpRequest) -> HttpResponse:
    sent = {name: request.POST.get(name, "") for name in ("customer", "payment_method", "note")}
    form = request.POST.get("form", "")
    if not 20 <= len(form) <= 64:  # None of ours: others could guess it.
        problems = [("The form", "is incomplete: please load it again")]
        return render(request, "problem.html", {"problems": problems}, status=400)
    try:
        ShopOrder(**sent).for_breakwall()
    except InvalidOrderError as error:
        return render(request, "problem.html", {"problems": error.problems.items()}, status=422)
    # Two commits, in this order: the shop's order first, then Breakwall's, with the shop's number as its key. A crash
    # between them leaves an order that is known here: the form, sent again, finds it, and so does the next start.
    order, _ = ShopOrder.objects.get_or_create(form=form, defaults=sent)
    try:
        charge(order)
    except DatabaseUnavailableError:
        return render(request, "problem.html", {"order": order}, status=503)
    return redirect("order", order.number, order.token)


def charge(order: ShopOrder) -> None:
    """Place the order, or place it again; store the answer: paid, declined, queued, …."""
    try:
        status = producer().place(order.for_breakwall()).status.value
    except InvalidOrderError:
        status = "cancelled"  # Its price ended before Breakwall had it, so Breakwall refuses it: nothing is charged.
    order.answer(status)


def charge_unanswered() -> None:
    """A process may have died between the two commits: place the order again.

    Also one that another process is placing just now; the same key is charged once.
    """
    for order in ShopOrder.objects.filter(status=ShopOrder.NEW):
        charge(order)


@require_safe
@never_cache
def show(request: HttpRequest, number: str, token: str) -> HttpResponse:
    order = ShopOrder.objects.filter(number=number).first()
    # In constant time: how long it takes tells nothing of the token.
    if order is None or not secrets.compare_digest(order.token.encode(), token.encode()):
        return render(request, "problem.html", status=404)
    page = render(request, "order.html", {"order": order, "refresh": 3})
    # The address holds the token: it stays out of caches (`never_cache`), and out of the requests to other pages.
    # Not so on the form's page: browsers then send no origin, and Django refuses the form.
    page["Referrer-Policy"] = "no-referrer"
    return page


@csrf_exempt  # Its signature says who sends it. Every other page keeps Django's check.
@require_POST
def hear(request: HttpRequest) -> HttpResponse:
    try:
        event = verifier.verify(request.body, dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return HttpResponse(status=400)
    data = event["data"]
    not_older = ShopOrder.objects.filter(number=data["idempotency_key"], told_at__lte=data["settled_at"])
    # An event may come twice. Its id and the change are one transaction: both are stored, or neither is.
    with suppress(IntegrityError), transaction.atomic():
        HeardEvent.objects.create(id=event["id"])
        not_older.update(status=data["status"], told_at=data["settled_at"])
    return HttpResponse(status=204)
