"""The tests mirror the product's folders, so that the name of a module leads to its tests."""

from pathlib import Path

import pytest

from tests.source_tree import ROOT, TESTS, Module, imports, product_modules, suite_modules

SUITES = ("unit", "contract", "integration")

PRODUCT = product_modules()

COVERED: dict[str, str] = {
    "breakwall.__main__": "tests/acceptance/test_wheel.py runs -m breakwall",
    "breakwall.access.scopes": "tests/unit/access/test_tokens.py",
    "breakwall.breaker.admission": "tests/unit/breaker/test_breaker.py",
    "breakwall.breaker.announcer": "tests/unit/breaker/test_events.py",
    "breakwall.breaker.circuit.fleet_limit": "tests/unit/breaker/circuit/test_limit.py",
    "breakwall.breaker.circuit.operations": "tests/unit/breaker/sync/test_cas.py",
    "breakwall.breaker.circuit.state": "tests/unit/breaker/circuit/test_transitions.py",
    "breakwall.breaker.circuit.window": "tests/unit/breaker/circuit/test_transitions.py",
    "breakwall.breaker.operator_commands": "tests/unit/breaker/test_override.py",
    "breakwall.breaker.protected_calls": "tests/unit/breaker/test_breaker.py",
    "breakwall.breaker.protector_types": "tests/unit/breaker/test_types.py",
    "breakwall.breaker.stores": "tests/contract/breaker/test_breaker.py",
    "breakwall.breaker.stores.engine": "tests/unit/breaker/stores/test_sql.py",
    "breakwall.breaker.stores.memory": "tests/contract/breaker/test_breaker.py",
    "breakwall.breaker.sync.memory": "tests/unit/breaker/test_breaker.py",
    "breakwall.breaker.sync.replica": "tests/unit/breaker/sync/test_shared.py",
    "breakwall.breaker.sync.store_protocol": "tests/unit/breaker/sync/test_shared.py",
    "breakwall.broker.connections.factory": "tests/unit/broker/test_publisher.py",
    "breakwall.broker.messages.strange": "tests/unit/broker/messages/test_envelope.py",
    "breakwall.broker.rabbitmq_queues": "tests/integration/worker/test_outlives_rabbitmq.py",
    "breakwall.cli.app": "tests/integration/cli/test_conventions.py",
    "breakwall.cli.backlog.command": "tests/integration/cli/test_backlog.py runs backlog",
    "breakwall.cli.demo": "tests/acceptance/test_demo.py runs demo",
    "breakwall.cli.orders.input_file": "tests/integration/cli/orders/test_import_.py runs orders import",
    "breakwall.cli.orders.metadata_option": "tests/integration/cli/orders/test_place.py runs orders place",
    "breakwall.cli.orders.order_fields": "tests/integration/cli/orders/test_show.py runs orders show",
    "breakwall.cli.orders.reconcile_output": "tests/integration/cli/orders/test_reconcile.py runs orders reconcile",
    "breakwall.cli.orders_database": "tests/integration/cli/orders/test_show.py runs orders show",
    "breakwall.cli.outcomes.destination_names": "tests/integration/cli/outcomes/test_list_.py runs outcomes list",
    "breakwall.cli.queue.drain_state": "tests/integration/cli/queue/test_pause.py runs queue pause",
    "breakwall.cli.rehearse_text": "tests/integration/cli/test_rehearse.py runs rehearse",
    "breakwall.cli.simulator": "tests/integration/simulator/test_process.py runs simulator",
    "breakwall.cli.token.token_file": "tests/integration/cli/token/test_create.py",
    "breakwall.cli.up": "tests/acceptance/test_up.py runs up",
    "breakwall.crashpoints": "tests/chaos/test_crashes.py",
    "breakwall.demo.run": "tests/acceptance/test_demo.py runs demo",
    "breakwall.doctor.strange_messages": "tests/integration/cli/test_doctor.py runs doctor",
    "breakwall.doctor.workers": "tests/integration/cli/test_doctor.py runs doctor",
    "breakwall.errors": "tests/unit/cli/test_errors.py",
    "breakwall.files.csv_rows": "tests/unit/files/test_records.py",
    "breakwall.files.errors": "tests/unit/files/test_records.py",
    "breakwall.files.json_objects": "tests/unit/files/test_records.py",
    "breakwall.files.lines": "tests/unit/files/test_records.py",
    "breakwall.files.source": "tests/unit/files/test_records.py",
    "breakwall.payments.ledger.hint_limits": "tests/contract/payments/ledger/test_hint.py",
    "breakwall.payments.ledger.traces": "tests/contract/test_tracing.py",
    "breakwall.host.extras": "tests/integration/cli/test_api.py runs api",
    "breakwall.monitor.metrics.backlog_gauges": "tests/contract/web/test_metrics.py",
    "breakwall.monitor.metrics.counters": "tests/contract/web/test_metrics.py",
    "breakwall.monitor.metrics.family": "tests/unit/monitor/metrics/test_breaker_gauges.py",
    "breakwall.web.action_body": "tests/contract/web/test_breakers.py",
    "breakwall.payments.db.end_trigger": "tests/contract/monitor/metrics/test_counted.py",
    "breakwall.payments.db.insert_missing": "tests/contract/payments/ledger/test_accept.py",
    "breakwall.payments.db.operator_tables": "tests/contract/payments/db/test_schema.py",
    "breakwall.payments.db.table_parts": "tests/contract/payments/db/test_schema.py",
    "breakwall.monitor.history.open_time": "tests/contract/monitor/history/test_sampler.py",
    "breakwall.monitor.history.store": "tests/contract/monitor/history/test_read.py",
    "breakwall.monitor.history.traffic": "tests/contract/monitor/history/test_sampler.py",
    "breakwall.monitor.order_counts": "tests/contract/monitor/test_stored_counts.py",
    "breakwall.monitor.waiting_orders": "tests/contract/monitor/test_backlog.py",
    "breakwall.payments.db.outcome_trigger": "tests/contract/payments/ledger/test_telling.py",
    "breakwall.payments.db.own_gateway": "tests/contract/payments/ledger/test_other_gateways.py",
    "breakwall.payments.gateways": "tests/integration/payments/gateways/test_http.py",
    "breakwall.payments.gateways.contract": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.contract.charging": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.contract.failing": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.contract.preparing": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.contract.processes": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.contract.subject": "tests/integration/payments/gateways/contract/test_gateways.py",
    "breakwall.payments.gateways.fault_proxy.faults": "tests/integration/payments/gateways/fault_proxy/test_proxy.py",
    "breakwall.payments.gateways.fault_proxy.ways": "tests/integration/payments/gateways/fault_proxy/test_proxy.py",
    "breakwall.payments.gateways.stripe": "tests/unit/payments/gateways/stripe/test_factory.py",
    "breakwall.payments.gateways.stripe.api": "tests/integration/payments/gateways/stripe/test_gateway.py",
    "breakwall.payments.gateways.transport.errors": "tests/unit/payments/gateways/test_charge_answers.py",
    "breakwall.payments.incidents": "tests/contract/payments/operator/test_incidents.py",
    "breakwall.payments.ledger.attempt_outcomes": "tests/contract/payments/ledger/test_record.py",
    "breakwall.payments.ledger.audit": "tests/contract/payments/operator/test_resolve.py",
    "breakwall.payments.ledger.base": "tests/contract/payments/ledger/test_record.py",
    "breakwall.payments.ledger.batch_rows": "tests/contract/payments/ledger/test_batch_claiming.py",
    "breakwall.payments.ledger.batch_statements": "tests/contract/payments/ledger/test_batch_claiming.py",
    "breakwall.payments.ledger.claim": "tests/contract/payments/ledger/test_claiming.py",
    "breakwall.payments.ledger.expiring": "tests/contract/worker/test_expiry.py",
    "breakwall.payments.ledger.ledger": "tests/contract/payments/ledger/test_record.py",
    "breakwall.payments.ledger.pruned_orders": "tests/contract/payments/ledger/test_pruning.py",
    "breakwall.payments.operator.locking": "tests/contract/payments/operator/test_retry_and_cancel.py",
    "breakwall.payments.outcomes.channel": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.delivery_recorder": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.operator.outlook": "tests/unit/cli/orders/test_retry_text.py",
    "breakwall.payments.outcomes.destination": "tests/unit/payments/outcomes/test_webhook.py",
    "breakwall.payments.outcomes.incident_reports": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.outbox.claiming": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.outbox.recording": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.outbox.taking": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.outbox.waiting": "tests/contract/payments/outcomes/test_delivering.py",
    "breakwall.payments.outcomes.task": "tests/integration/broker/test_shop_task.py",
    "breakwall.payments.reconciliation.matching": "tests/unit/payments/reconciliation/test_staging.py",
    "breakwall.producers": "tests/unit/test_aliases.py",
    "breakwall.producers.importing": "tests/integration/cli/orders/test_import_.py runs orders import",
    "breakwall.rehearsal.questions": "tests/unit/rehearsal/test_run.py",
    "breakwall.settings.errors": "tests/unit/cli/test_errors.py",
    "breakwall.simulator.charging": "tests/integration/simulator/test_faults.py",
    "breakwall.simulator.client": "tests/integration/simulator/test_process.py",
    "breakwall.simulator.control": "tests/integration/simulator/test_faults.py",
    "breakwall.simulator.ports": "tests/integration/simulator/test_faults.py",
    "breakwall.simulator.protocol": "tests/integration/simulator/test_faults.py",
    "breakwall.simulator.server": "tests/integration/simulator/test_faults.py",
    "breakwall.terminal.logs": "tests/unit/terminal/test_output.py",
    "breakwall.up.run": "tests/acceptance/test_up.py runs up",
    "breakwall.urls.parameters": "tests/unit/urls/test_brokers.py",
    "breakwall.urls.syntax": "tests/unit/urls/test_brokers.py",
    "breakwall.web.circuit_overrides": "tests/contract/web/test_breakers.py",
    "breakwall.web.page.acting.action_page": "tests/contract/web/page/acting/test_action_routes.py",
    "breakwall.web.page.acting.asked": "tests/contract/web/page/acting/test_action_routes.py",
    "breakwall.web.page.acting.facts": "tests/contract/web/page/acting/test_drain.py",
    "breakwall.web.page.acting.routes": "tests/contract/web/page/acting/test_action_routes.py",
    "breakwall.web.page.drain_view": "tests/unit/web/page/test_view.py",
    "breakwall.web.page.circuit_view": "tests/unit/web/page/test_view.py",
    "breakwall.web.page.circumstances": "tests/unit/web/page/test_verdict.py",
    "breakwall.web.page.overview_lists": "tests/contract/web/page/test_people_routes.py",
    "breakwall.web.page.overview_html": "tests/contract/web/page/test_routes.py",
    "breakwall.web.page.per_snapshot": "tests/contract/web/page/test_page_data.py",
    "breakwall.web.page.situations": "tests/unit/web/page/test_verdict.py",
    "breakwall.web.page.snapshot": "tests/unit/web/page/test_verdict.py",
    "breakwall.web.live.document_models": "tests/contract/web/live/test_routes.py",
    "breakwall.web.allowed_methods": "tests/contract/web/test_errors.py",
    "breakwall.web.body_limit": "tests/contract/web/test_errors.py",
    "breakwall.web.log_setup": "tests/integration/web/test_server.py runs --port",
    "breakwall.web.services": "tests/integration/web/test_server.py runs --port",
    "breakwall.web.server_processes": "tests/integration/web/test_server.py runs --port",
    "breakwall.web.span_addresses": "tests/contract/web/test_app.py",
    "breakwall.web.validation": "tests/contract/web/test_errors.py",
    "breakwall.web.orders.actions": "tests/contract/web/orders/test_act.py",
    "breakwall.web.page.acting.bulk_counts": "tests/contract/web/page/acting/test_bulk_retries.py",
    "breakwall.web.page.acting.bulk_selection": "tests/contract/web/page/acting/test_bulk_retries.py",
    "breakwall.web.page.acting.list_actions": "tests/contract/web/page/acting/test_orders.py",
    "breakwall.web.page.acting.order_links": "tests/contract/web/page/acting/test_orders.py",
    "breakwall.web.orders.bodies": "tests/contract/web/orders/test_refused_orders.py",
    "breakwall.web.orders.documents": "tests/contract/web/orders/test_read.py",
    "breakwall.web.orders.errors": "tests/contract/web/orders/test_unavailable.py",
    "breakwall.web.orders.naming": "tests/contract/web/orders/test_read.py",
    "breakwall.web.orders.reading_bodies": "tests/contract/web/orders/test_refused_orders.py",
    "breakwall.web.orders.routes": "tests/contract/web/orders/test_read.py",
    "breakwall.web.whole_answers": "tests/unit/web/test_client_connection.py",
    "breakwall.worker": "tests/unit/worker/test_exhaustion.py",
    "breakwall.worker.app": "tests/unit/worker/test_message.py",
    "breakwall.worker.background.heartbeat": "tests/contract/payments/fleet/test_workers.py",
    "breakwall.worker.celery": "tests/integration/worker/test_outlives_redis.py runs celery -A worker",
    "breakwall.worker.drain.jobs": "tests/unit/worker/drain/test_slot.py",
    "breakwall.worker.drain.log": "tests/unit/worker/drain/test_drain.py",
    "breakwall.worker.drain.outage": "tests/contract/worker/drain/test_exchange.py",
    "breakwall.worker.drain.returns": "tests/contract/worker/drain/test_exchange.py",
    "breakwall.worker.log.backlog_queries": "tests/contract/worker/log/test_backlog.py",
    "breakwall.worker.startup.celery_command": "tests/integration/worker/test_options.py runs worker",
    "breakwall.worker.startup.steps": "tests/integration/worker/test_log.py runs worker",
}
"""Modules without a test file of their name: the suite that covers each.

After ` runs ` comes the command that the suite runs. Without one, the suite imports the module or one that imports it.
"""


def mirrored(module: Module) -> list[Path]:
    """Where its tests may be. `urls/__init__.py` has `urls/test_urls.py`; `import_.py` may have `test_import.py`."""
    inside = Path(*module.name.removeprefix("breakwall.").split("."))
    folder = inside if module.is_package else inside.parent
    names = {f"test_{inside.name}.py", f"test_{inside.name.strip('_')}.py"}
    return [Path("tests", suite, folder, name) for suite in SUITES for name in names]


def needs_tests(module: Module) -> bool:
    """Revisions need none of their own: each test with a database runs them."""
    return not (module.is_package and module.only_exports) and not module.name.startswith(
        "breakwall.migrations."
    )


def has_its_test_file(module: Module) -> bool:
    return any((ROOT / file).exists() for file in mirrored(module))


def test_each_module_has_a_test_file_of_its_name_or_a_line_in_the_table() -> None:
    missing = [
        name
        for name, module in PRODUCT.items()
        if needs_tests(module) and not has_its_test_file(module) and name not in COVERED
    ]
    assert missing == []


def test_the_table_names_no_module_that_is_gone_or_has_its_test_file() -> None:
    needless = [name for name in COVERED if name not in PRODUCT or has_its_test_file(PRODUCT[name])]
    assert needless == []


@pytest.mark.parametrize("name", COVERED)
def test_the_suite_of_a_line_exercises_the_module(name: str) -> None:
    file, _, command = COVERED[name].partition(" runs ")
    assert (ROOT / file).exists(), f"{name}: there is no {file}"
    suite = next(module for module in suite_modules().values() if module.file == Path(file))
    if command:
        assert runs(suite, command), f"{name}: {file} does not run `{command}`"
    else:
        assert name in reached(suite), f"{name}: {file} imports neither it nor a module that imports it"


def runs(suite: Module, command: str) -> bool:
    """Whether the suite, or a helper of it, has the command's words as consecutive arguments."""
    words = '", "'.join(command.split())
    return any(f'"{words}"' in module.source for module in (suite, *helpers_of(suite)))


def reached(suite: Module) -> set[str]:
    """The modules of the product that the suite and its helpers import, those that they import, and all that they
    reach within their room."""
    direct = {name for module in (suite, *helpers_of(suite)) for name in imports(module, PRODUCT)}
    found, waiting = set(direct), list(direct)
    while waiting:
        name = waiting.pop()
        new = {other for other in imports(PRODUCT[name], PRODUCT) if room_of(other) == room_of(name)} - found
        found |= new
        waiting += new
    return found | {other for name in direct for other in imports(PRODUCT[name], PRODUCT)}


def helpers_of(suite: Module) -> list[Module]:
    """The tests' own modules that it imports, the `conftest.py` of its folders, and all that these import."""
    modules = suite_modules()
    folders = suite.name.split(".")[:-1]
    found = {
        ".".join([*folders[: depth + 1], "conftest"]) for depth in range(1, len(folders))
    } & modules.keys()
    waiting = [suite.name, *found]
    while waiting:
        new = imports(modules[waiting.pop()], modules) - found
        found |= new
        waiting += new
    return [modules[name] for name in found]


def room_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def test_each_test_file_mirrors_a_folder_of_the_product() -> None:
    folders = {Path(*name.split(".")[1:-1]) for name in PRODUCT} | {
        Path(*name.split(".")[1:]) for name, module in PRODUCT.items() if module.is_package
    }
    files = [file for suite in SUITES for file in (TESTS / suite).rglob("test_*.py")]
    strays = [
        str(file.relative_to(ROOT))
        for file in files
        if Path(*file.relative_to(TESTS).parts[1:-1]) not in folders
    ]
    assert strays == []
