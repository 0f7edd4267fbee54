"""The shop's settings, from the environment. `settings.sh` sets those that have no default."""

import os
from datetime import timedelta
from pathlib import Path

FOLDER = Path(__file__).parent

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "")  # Django refuses an empty one, and names the setting.
WEBHOOK_SECRET = os.environ.get("SHOP_WEBHOOK_SECRET", "")
if not WEBHOOK_SECRET:
    raise SystemExit("SHOP_WEBHOOK_SECRET: should be the secret of the webhook; settings.sh makes one")

PRICE_HOLDS = timedelta(seconds=float(os.environ.get("SHOP_PRICE_HOLDS") or 3600))
ALLOWED_HOSTS = os.environ.get("SHOP_HOSTS", "127.0.0.1 localhost").split()
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
INSTALLED_APPS = ["shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
# Not ATOMIC_REQUESTS: the shop's order has to be committed before Breakwall has it.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE_FILE") or FOLDER / "shop.db",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 10},
    }
}
