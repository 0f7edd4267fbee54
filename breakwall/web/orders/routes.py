"""All routes about single orders and batches."""

from fastapi import APIRouter

from breakwall.web.orders import act, batch, list_, place, read

router = APIRouter()
for part in (place, batch, list_, act, read):  # The fixed addresses before the one that takes any name.
    router.include_router(part.router)
