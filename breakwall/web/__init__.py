"""The HTTP API and the operator's page: FastAPI and uvicorn, from the extra ``web``.

May import everything but commands. The commands import `web.server`, inside their functions: without the extra, all
other commands work.
"""
