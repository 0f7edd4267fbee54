"""A handshake and what follows it are told apart, however the bytes are cut."""

import pytest

from breakwall.payments.gateways.fault_proxy.tls_records import TlsRecords

HELLO = b"\x16\x03\x01\x00\x03abc"
CHANGE = b"\x14\x03\x03\x00\x01\x01"
DATA = b"\x17\x03\x03\x00\x05hello"


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_data_is_seen_after_the_handshake(size: int) -> None:
    records, stream = TlsRecords(), HELLO + CHANGE + DATA
    handshake = len(HELLO + CHANGE)
    for start in range(0, handshake, size):
        records.feed(stream[start : min(start + size, handshake)])
        assert not records.has_data
    records.feed(DATA)
    assert records.has_data


def test_a_long_record_is_no_data_because_of_its_content() -> None:
    records = TlsRecords()
    records.feed(b"\x16\x03\x01\x01\x00" + b"\x17" * 256)
    assert not records.has_data
