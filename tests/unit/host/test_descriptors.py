"""Idle connections are closed when file descriptors are exhausted."""

from __future__ import annotations

import errno

import pytest

from breakwall.host.descriptors import free_descriptors, register_idle_connections


class Connections:
    closed = 0

    def close_idle(self) -> None:
        self.closed += 1


def test_idle_connections_are_closed_only_if_descriptors_are_exhausted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("breakwall.host.descriptors._freed_at", float("-inf"))
    connections = Connections()
    register_idle_connections(connections)
    free_descriptors(OSError(errno.ENOSPC, "full"))
    free_descriptors(None)
    assert connections.closed == 0
    told = ConnectionError("as the broker's client says it")
    told.__context__ = OSError(errno.EMFILE, "too many")
    free_descriptors(told)
    assert connections.closed == 1
    free_descriptors(told)
    assert connections.closed == 1  # it has just been done
