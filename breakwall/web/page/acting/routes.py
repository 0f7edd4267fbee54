"""The addresses of all actions."""

from fastapi import APIRouter

from breakwall.web.page.acting import drain

router = APIRouter(include_in_schema=False)
router.include_router(drain.router)
