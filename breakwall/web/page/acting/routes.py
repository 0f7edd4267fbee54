"""The addresses of all actions."""

from fastapi import APIRouter

from breakwall.web.page.acting import bulk_retries, circuit, drain, incidents, orders, release

router = APIRouter(include_in_schema=False)
for _area in (circuit, drain, release, orders, bulk_retries, incidents):
    router.include_router(_area.router)
