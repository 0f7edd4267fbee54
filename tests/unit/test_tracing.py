from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest
from opentelemetry.trace import StatusCode

from breakwall import tracing
from tests.spans import Spans, recording, trace_id

SECRET = "a text with a card in it"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    with recording(monkeypatch) as recorded:
        yield recorded


class TestWithoutATracerProvider:
    def test_a_process_does_not_trace(self) -> None:
        assert not tracing.is_on()
        assert tracing.carry() is None

    def test_a_span_is_nothing(self) -> None:
        with tracing.span("place", order_id="o1") as span:
            span.set(status="paid")

    def test_opentelemetry_is_not_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "opentelemetry.trace")
        assert not tracing.is_on()
        assert "opentelemetry.trace" not in sys.modules


def test_a_span_has_its_name_and_its_attributes(spans: Spans) -> None:
    with tracing.span("place", order_id="o1", attempt=None) as span:
        span.set(status="paid", code=None)
    (found,) = spans.all()
    assert found.name == "breakwall.place"
    assert dict(found.attributes or {}) == {"breakwall.order_id": "o1", "breakwall.status": "paid"}


def test_a_span_of_an_error_has_its_class_and_not_its_text(spans: Spans) -> None:
    with pytest.raises(ValueError, match="card"), tracing.span("place"):
        raise ValueError(SECRET)
    (found,) = spans.all()
    assert found.status.status_code is StatusCode.ERROR
    assert (found.attributes or {})["error.type"] == "ValueError"
    assert SECRET not in spans.text()


def test_a_span_in_another_thread_belongs_to_the_carried_one(spans: Spans) -> None:
    def work(carried: object) -> None:
        with tracing.within(carried), tracing.span("charge"):  # type: ignore[arg-type]
            pass

    with tracing.span("place"):
        thread = threading.Thread(target=work, args=(tracing.carry(),))
        thread.start()
        thread.join()
    assert len({trace_id(span) for span in spans.all()}) == 1


def test_a_span_in_another_process_belongs_to_its_parent(spans: Spans) -> None:
    with tracing.span("place"):
        parent = tracing.parent_of(tracing.carry())
    with tracing.span("charge", parent=parent):
        pass
    place, charge = spans.all()
    assert charge.parent is not None
    assert (charge.parent.span_id, trace_id(charge)) == (place.get_span_context().span_id, trace_id(place))  # type: ignore[union-attr]


def test_the_current_span_comes_before_the_parent(spans: Spans) -> None:
    with tracing.span("place"):
        parent = tracing.parent_of(tracing.carry())
    with tracing.span("another"), tracing.span("charge", parent=parent):
        pass
    _, charge, another = spans.all()
    assert trace_id(charge) == trace_id(another)


@pytest.mark.parametrize("parent", ["", "00-x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_parent_that_is_none_begins_a_trace(spans: Spans, parent: str) -> None:
    with tracing.span("charge", parent=parent):
        pass
    assert spans.all()[0].parent is None


def test_a_trace_that_is_not_recorded_has_no_parent_for_others(spans: Spans) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    spans.provider.sampler = ALWAYS_OFF
    with tracing.span("place"):
        assert tracing.parent_of(tracing.carry()) is None


def test_a_process_does_not_trace_while_another_thread_imports_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", ModuleType("opentelemetry.trace"))
    assert not tracing.is_on()
