"""All routes about single orders and batches, but for `place`, which is added to the application itself."""

from fastapi import APIRouter

from breakwall.web.orders import act, batch, list_, read

router = APIRouter()
for part in (batch, list_, act, read):  # The fixed addresses before the one that takes any name.
    router.include_router(part.router)
