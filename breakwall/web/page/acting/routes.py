"""The addresses of all actions."""

from fastapi import APIRouter

from breakwall.web.page.acting import bulk_retries, drain, incidents, orders

router = APIRouter(include_in_schema=False)
router.include_router(drain.router)
router.include_router(orders.router)
router.include_router(bulk_retries.router)
router.include_router(incidents.router)
