"""The addresses of all actions."""

from fastapi import APIRouter

from breakwall.web.page.acting import circuit, drain, release

router = APIRouter(include_in_schema=False)
for _area in (circuit, drain, release):
    router.include_router(_area.router)
