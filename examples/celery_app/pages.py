"""A tea shop that has Celery already. Its pages are Flask's; its own workers charge the orders (`tasks.py`)."""

import secrets

import orders
from flask import Flask, Response, make_response, redirect, render_template, request
from orders import PRICE, ShopOrder, in_euros
from tasks import addition

from breakwall.producers import DatabaseUnavailableError, InvalidOrderError, OrderProducer

# The address of an order's page holds its token: it stays out of caches, and out of the requests to other pages.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 65_536
producer = OrderProducer.from_settings(addition.settings())  # Its broker is that of the shop's workers.


@app.get("/")
def form() -> Response:
    return page("form.html", form=secrets.token_urlsafe(16), price=in_euros(PRICE))


@app.post("/orders")
def take() -> Response:
    sent = request.form
    form = sent.get("form", "")
    if not 20 <= len(form) <= 64:  # None of ours: others could guess it.
        return page("problem.html", 400, problems=[("The form", "is incomplete: please load it again")])
    order = ShopOrder(sent.get("customer", ""), sent.get("payment_method", ""), sent.get("note", ""), form)
    try:
        order.for_breakwall()
    except InvalidOrderError as error:
        return page("problem.html", 422, problems=error.problems.items())
    # Two commits, in this order: the shop's order first, then Breakwall's, with the shop's number as its key. A crash
    # between them leaves an order that is known here: the form, sent again, finds it, and so does the next start.
    order = orders.store(order)
    try:
        charge(order)
    except DatabaseUnavailableError:
        return page("problem.html", 503, order=order)
    return make_response(redirect(f"/orders/{order.number}/{order.token}", 303), PRIVATE)


def charge(order: ShopOrder) -> None:
    """Place the order, or place it again; store the answer: paid, declined, queued, …."""
    try:
        status = producer.place(order.for_breakwall()).status.value
    except InvalidOrderError:
        status = "cancelled"  # Its price ended before Breakwall had it, so Breakwall refuses it: nothing is charged.
    orders.answer(order.number, status)


@app.get("/orders/<number>/<token>")
def show(number: str, token: str) -> Response:
    order = orders.find(number, token)
    if order is None:
        return page("problem.html", 404)
    return page("order.html", order=order, refresh=3)


def page(template: str, status: int = 200, **context: object) -> Response:
    return make_response(render_template(template, **context), status, PRIVATE)


def charge_unanswered() -> None:
    """A process may have died between `store` and `answer`: place the order again.

    Also one that another process is placing just now; the same key is charged once.
    """
    for order in orders.unanswered():
        charge(order)


charge_unanswered()
