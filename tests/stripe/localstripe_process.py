"""Runs localstripe alone on a free port of the loopback, and prints the port. It ends with its standard input."""

import asyncio
import socket
import sys

from aiohttp import web
from localstripe.resources import Store, store
from localstripe.server import app

Store.dump_to_disk = lambda self: None  # it would write to a file that all tests share
store.clear()


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
