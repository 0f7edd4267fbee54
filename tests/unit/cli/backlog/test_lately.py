"""How the backlog has changed, and why attempts failed, in the fields of the command."""

from dataclasses import replace

from breakwall.cli.backlog.lately import lately
from breakwall.monitor.failures import FailureGroup
from tests.unit.monitor.snapshots import NOON, OUTAGE, QUIET

FAILED = FailureGroup("failed", "http_500", 12, NOON, "o1", "it is down")


def test_a_quiet_site_has_no_such_line() -> None:
    assert lately(QUIET, brief=False) == {}
    assert lately(replace(QUIET, net_rate=0.0, broker_difference=0), brief=False) == {}


def test_a_growing_and_a_shrinking_backlog_have_their_sign() -> None:
    growing = lately(replace(OUTAGE, net_rate=2.25, arrivals_last_minute=135), brief=True)
    assert growing == {"change": "+2.2 orders a second; 135 orders began to wait in the last minute"}
    assert lately(replace(OUTAGE, net_rate=-8.0), brief=True) == {"change": "-8.0 orders a second"}


def test_a_difference_that_stands_says_in_which_direction() -> None:
    assert (
        "20 published orders without a message"
        in lately(replace(QUIET, broker_difference=20), brief=True)["messages"]
    )
    assert "1 message more" in lately(replace(QUIET, broker_difference=-1), brief=True)["messages"]


def test_failures_are_named_by_kind_but_not_where_lines_are_short() -> None:
    seen = replace(OUTAGE, failures=(FAILED, replace(FAILED, outcome="unknown", code=None, orders=1)))
    assert lately(seen, brief=False) == {"failures": "12 orders failed (http_500); 1 order unknown"}
    assert lately(seen, brief=True) == {}
