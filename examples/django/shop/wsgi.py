"""What a server such as gunicorn runs in each of its processes."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = get_wsgi_application()

from shop import views  # noqa: E402 - Django has to be ready

views.producer()  # It takes some tenths of a second: now, rather than at the first order.
views.charge_unanswered()
