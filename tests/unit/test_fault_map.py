"""Situations from production, each with the test that is named after it.

If such a test is renamed or removed, this one fails.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

SITUATIONS = {
    "REPLICAOF on a running Redis for a moment": "integration/worker/test_outlives_redis.py::"
    "test_replicaof_for_a_moment_as_in_every_failover_ends_no_worker",
    "the embedded broker's disk fills": "integration/worker/test_outlives_its_folder.py::"
    "test_a_full_disk_is_said_and_the_worker_goes_on_as_soon_as_there_is_room",
    "one of its files is damaged or missing": "integration/worker/test_outlives_its_folder.py::"
    "test_a_folder_that_is_removed_or_damaged_under_a_worker_is_begun_anew",
    "a message that is not JSON": "integration/worker/test_outlives_redis.py::"
    "test_every_strange_message_is_set_aside_and_the_next_one_worked_on",
    "a valid envelope with an odd body, restored for each worker": "integration/worker/test_outlives_redis.py::"
    "test_what_would_have_ended_each_worker_that_is_started_is_set_aside",
    "RabbitMQ's queue is deleted twice under load": "integration/worker/test_outlives_rabbitmq.py::"
    "test_a_queue_that_is_deleted_twice_under_load_is_consumed_from_again",
    "an id with a newline or ESC": "integration/worker/test_log.py::test_no_strange_message_breaks_a_line",
    "CELERY_BROKER_URL in the environment": "integration/worker/test_options.py::"
    "test_celery_variables_change_nothing_in_a_worker",
    "BROKER_URL=redis://dead;redis://alive": "unit/urls/test_brokers.py::"
    "test_several_plain_redis_are_refused_because_each_has_its_own_queue",
    "the same with RabbitMQ's nodes": "integration/broker/checks/test_rabbitmq.py::"
    "test_of_several_nodes_worker_publisher_and_depth_use_the_one_that_answers",
    "PgBouncer, transaction pooling": "integration/payments/db/test_postgres.py::"
    "test_another_clients_prepared_statement_is_never_met",
    "24 processes start while the circuit is open": "contract/breaker/test_processes.py::"
    "test_24_processes_that_start_together_beside_an_open_circuit_send_nothing",
    "24 new processes with two failures each": "contract/breaker/test_processes.py::"
    "test_24_processes_with_two_failures_each_open_it_at_20_as_they_start",
    "uWSGI without --py-call-osafterfork": "integration/host/test_concurrency.py::"
    "test_uwsgi_that_forks_without_pythons_knowledge",
    "gevent patched after import": "integration/host/test_concurrency.py::test_gevent_that_patches_late_is_refused",
    "-P eventlet": "unit/worker/startup/test_options.py::"
    "test_every_pool_but_threads_is_refused_without_being_imported",
    "--autoscale 10,3": "unit/worker/startup/test_options.py::"
    "test_an_option_that_does_not_work_is_refused_with_its_reason",
    "RabbitMQ with a classic queue from before": "integration/broker/checks/test_rabbitmq.py::"
    "test_a_classic_queue_of_that_name_is_explained_with_the_way_out",
    "SQLite's file removed under the process": "contract/sqlite/test_file.py::"
    "test_nothing_is_accepted_into_a_file_that_was_removed",
    "an unescaped @ in the database's password": "unit/urls/test_secrets.py::"
    "test_an_at_sign_in_the_databases_password_is_refused_with_its_escape",
    "BROKER_URL=redis://host/0?password=…": "unit/urls/test_secrets.py::"
    "test_a_password_after_the_question_mark_of_the_broker_is_refused",
    "out of file descriptors, 60 threads": "integration/host/test_exhaustion.py::"
    "test_place_names_the_exhausted_resource_and_never_for_a_charged_order",
    "a SQLite worker out of file descriptors": "integration/worker/test_exhaustion.py::"
    "test_a_worker_with_fewer_descriptors_than_threads_lets_no_message_go",
    "db upgrade beside a long writer": "contract/payments/db/test_migration_steps.py::"
    "test_a_lock_that_others_hold_is_named_and_nothing_is_half_done",
    "db upgrade of millions of rows": "contract/payments/db/test_migration_steps.py::"
    "test_a_writer_beside_a_migration_waits_for_a_moment_at_most",
    "Retry-After as a date, no Date, a slow clock": "unit/breaker/test_retry_after.py::"
    "test_what_cannot_be_meant_is_ignored",
    "second Ctrl-C, SIGQUIT to a busy worker": "integration/worker/test_exhaustion.py::"
    "test_a_worker_that_is_told_to_hurry_ends_its_calls_and_says_so",
    "stdout closed": "integration/cli/test_streams.py::test_a_closed_stdout_is_an_error",
    "not UTF-8 in a path": "integration/cli/test_streams.py::test_a_data_folder_that_is_not_utf_8_is_refused",
    "up > /dev/full": "integration/cli/test_streams.py::test_up_without_a_usable_stdout_ends_and_says_why",
    "a database locked for 12 s": "contract/payments/db/test_lock_timeouts.py::"
    "test_a_lock_while_the_order_is_accepted_and_another_one_while_it_is_recorded_hold_nobody",
    "celery control revoke": "integration/worker/test_outlives_redis.py::test_a_revoke_ends_no_order",
    "errors in a process pool": "unit/test_pickling.py::"
    "test_invalid_order_and_idempotency_conflict_come_out_of_a_process_pool",
    "ExceptionGroup": "unit/breaker/test_classification.py::test_a_group_counts_as_what_is_in_it",
    "no worker is alive": "integration/cli/test_workers.py::"
    "test_no_worker_is_alive_and_backlog_does_not_say_that_payments_go_through",
    "Celery's default log level": "integration/worker/test_log.py::"
    "test_an_outage_and_its_end_are_logged_at_celerys_default_level",
    "a shop's own worker.py or producers.py": "acceptance/test_wheel.py::"
    "test_its_commands_run_in_a_folder_with_such_modules",
    "an old version restarts after a migration": "contract/payments/db/test_revisions.py::"
    "test_is_an_unavailable_database_for_a_caller_of_place",
    "a certificate is swapped under a running worker": "integration/worker/test_credentials.py::"
    "test_neither_is_restarted",
    "a certificate that does not belong to its key yet": "integration/payments/gateways/test_rotation.py::"
    "test_while_a_certificate_does_not_belong_to_its_key_yet_the_last_pair_stays_in_use",
    "our certificate expires behind nginx": "unit/payments/gateways/test_front_pages.py::"
    "test_a_charge_is_not_finished_by_such_a_page_and_the_settings_are_blamed",
    "TLS 1.3 refuses our certificate after the request": "integration/payments/gateways/test_mutual_tls.py::"
    "test_a_refusal_after_the_request_within_the_handshake_of_tls_1_3_is_a_proof",
    "a year at 100 orders/s": "contract/payments/ledger/test_pruning.py::"
    "test_is_what_has_ended_long_ago_with_all_that_belongs_to_it",
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_has_a_test_named_after_it(situation: str) -> None:
    file, _, name = SITUATIONS[situation].partition("::")
    found = ast.walk(ast.parse((TESTS / file).read_text(encoding="utf-8")))
    assert name in {node.name for node in found if isinstance(node, ast.FunctionDef)}
