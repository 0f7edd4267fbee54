"""The rules that decide what happens to an order, without a database or a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.decisions import (
    Decision,
    Progress,
    Step,
    after_attempt,
    after_look_up,
    next_step,
    without_look_up,
)
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.payments.verification import contradicted

POLICY = RetryPolicy(base=1.0, cap=60.0, max_attempts=5)
PLAIN = GatewayProfile(deduplicates=False, key_life=0.0, looks_up=True, absent_after=30.0)
KEYED = GatewayProfile(deduplicates=True, key_life=3600.0, looks_up=True, absent_after=30.0)
BLIND = GatewayProfile(deduplicates=False, key_life=0.0, looks_up=False, absent_after=30.0)

outcomes = st.sampled_from(Outcome)
advices = st.sampled_from(Advice)
CANCELLING = replace(BLIND, cancels=True)
PREPARING = replace(BLIND, prepares=True)

profiles = st.sampled_from(
    [
        PLAIN,
        KEYED,
        BLIND,
        CANCELLING,
        PREPARING,
        replace(PREPARING, cancels=True),
        replace(PLAIN, cancels=True),
    ]
)
progresses = st.builds(
    Progress,
    retries=st.integers(0, 8),
    lookups=st.integers(0, 8),
    unresolved=st.booleans(),
    unresolved_age=st.floats(0, 1000),
    stored_errors=st.integers(0, 4),
    key_spent=st.booleans(),
    key_age=st.floats(0, 10_000),
    cancel_requested=st.booleans(),
    declined=st.booleans(),
    key_conflict=st.booleans(),
    refused=st.booleans(),
    turned_away=st.booleans(),
    looked_up=st.booleans(),
    prepared=st.booleans(),
    expired=st.booleans(),
)
jitters = st.floats(0, 1)


def answer(outcome: Outcome, advice: Advice = Advice.RETRY, retry_after: float | None = None) -> ChargeAnswer:
    charge = "ch_1" if outcome is Outcome.SUCCEEDED else None
    return ChargeAnswer(outcome, Health.SUCCESS, charge_id=charge, advice=advice, retry_after=retry_after)


class TestNextStep:
    def test_sends_when_nothing_is_unresolved(self) -> None:
        assert next_step(Progress(), PLAIN, POLICY) is Step.SEND

    def test_looks_up_before_every_resend_where_the_key_is_not_trusted(self) -> None:
        assert next_step(Progress(unresolved=True), PLAIN, POLICY) is Step.LOOK_UP

    def test_resends_the_same_key_within_its_life_where_the_gateway_deduplicates(self) -> None:
        assert next_step(Progress(unresolved=True, key_age=3569), KEYED, POLICY) is Step.SEND

    def test_looks_up_when_a_late_request_would_come_in_past_the_keys_life(self) -> None:
        assert next_step(Progress(unresolved=True, key_age=3570), KEYED, POLICY) is Step.LOOK_UP

    def test_asks_a_person_where_there_is_neither_key_nor_look_up(self) -> None:
        assert next_step(Progress(unresolved=True), BLIND, POLICY) is Step.REVIEW

    def test_asks_a_person_when_look_ups_stay_fruitless(self) -> None:
        assert next_step(Progress(unresolved=True, lookups=5), PLAIN, POLICY) is Step.REVIEW

    def test_gives_up_an_exhausted_order_that_is_proven_uncharged(self) -> None:
        assert next_step(Progress(retries=5), PLAIN, POLICY) is Step.GIVE_UP

    def test_looks_an_exhausted_unresolved_order_up_even_where_the_key_is_trusted(self) -> None:
        assert next_step(Progress(retries=5, unresolved=True), KEYED, POLICY) is Step.LOOK_UP

    def test_cancels_only_what_is_proven_uncharged(self) -> None:
        assert next_step(Progress(cancel_requested=True), KEYED, POLICY) is Step.CANCEL
        assert next_step(Progress(cancel_requested=True, unresolved=True), KEYED, POLICY) is Step.LOOK_UP

    @given(progress=progresses, profile=profiles)
    def test_never_sends_an_unresolved_order_unless_the_key_protects_it(
        self, progress: Progress, profile: GatewayProfile
    ) -> None:
        if next_step(progress, profile, POLICY) is Step.SEND and progress.unresolved:
            assert profile.deduplicates
            assert progress.key_age + profile.absent_after < profile.key_life

    @given(progress=progresses, profile=profiles)
    def test_never_ends_an_unresolved_order_as_dead_or_cancelled(
        self, progress: Progress, profile: GatewayProfile
    ) -> None:
        if progress.unresolved:
            assert next_step(progress, profile, POLICY) not in {
                Step.GIVE_UP,
                Step.CANCEL,
                Step.DECLINE,
                Step.REFUSE,
            }


class TestAfterAttempt:
    @pytest.mark.parametrize(
        "outcome", [Outcome.NOT_SENT, Outcome.FAILED, Outcome.THROTTLED, Outcome.UNKNOWN]
    )
    def test_queues_what_did_not_end_the_order(self, outcome: Outcome) -> None:
        decision = after_attempt(answer(outcome), Progress(retries=1), PLAIN, POLICY, 0.5)
        assert (decision.status, decision.delay) == (OrderStatus.QUEUED, 1.0)

    def test_honours_retry_after(self) -> None:
        throttled = answer(Outcome.THROTTLED, retry_after=120)
        assert after_attempt(throttled, Progress(), PLAIN, POLICY, 0.5).delay == 120.5

    def test_looks_again_soon_at_a_charge_that_still_runs(self) -> None:
        running = answer(Outcome.UNKNOWN, Advice.LOOK_AGAIN)
        assert after_attempt(running, Progress(retries=4), KEYED, POLICY, 1.0).delay == POLICY.base

    def test_a_last_attempt_proven_uncharged_is_dead(self) -> None:
        decision = after_attempt(answer(Outcome.FAILED), Progress(retries=5), PLAIN, POLICY, 0)
        assert decision.status is OrderStatus.DEAD

    def test_a_refused_request_is_dead_at_once(self) -> None:
        refused = answer(Outcome.FAILED, Advice.STOP)
        assert after_attempt(refused, Progress(), PLAIN, POLICY, 0).status is OrderStatus.DEAD

    def test_an_exhausted_order_with_an_unknown_attempt_is_not_dead(self) -> None:
        decision = after_attempt(answer(Outcome.UNKNOWN), Progress(retries=5), PLAIN, POLICY, 0)
        assert decision.status is OrderStatus.QUEUED

    def test_a_proof_for_this_attempt_proves_nothing_for_an_earlier_one(self) -> None:
        decision = after_attempt(
            answer(Outcome.FAILED), Progress(retries=5, unresolved=True), KEYED, POLICY, 0
        )
        assert decision.status is OrderStatus.QUEUED

    def test_a_requested_cancellation_holds_once_nothing_was_charged(self) -> None:
        progress = Progress(cancel_requested=True)
        assert (
            after_attempt(answer(Outcome.FAILED), progress, PLAIN, POLICY, 0).status is OrderStatus.CANCELLED
        )

    @given(outcome=outcomes, advice=advices, progress=progresses, profile=profiles, jitter=jitters)
    def test_only_a_success_is_paid_and_only_proof_ends_an_order_uncharged(
        self, outcome: Outcome, advice: Advice, progress: Progress, profile: GatewayProfile, jitter: float
    ) -> None:
        decision = after_attempt(answer(outcome, advice), progress, profile, POLICY, jitter)
        assert (decision.status is OrderStatus.PAID) == (outcome is Outcome.SUCCEEDED)
        if decision.status in {OrderStatus.DEAD, OrderStatus.CANCELLED}:
            assert outcome.proves_no_charge
            assert not progress.unresolved


class TestAfterLookUp:
    def test_trusts_no_such_charge_only_after_the_settle_time(self) -> None:
        early = after_look_up(
            LookupAnswer(LookupResult.ABSENT, Health.SUCCESS),
            Progress(unresolved=True, unresolved_age=29),
            PLAIN,
            POLICY,
            0.0,
        )
        late = after_look_up(
            LookupAnswer(LookupResult.ABSENT, Health.SUCCESS),
            Progress(unresolved=True, unresolved_age=30),
            PLAIN,
            POLICY,
            0.0,
        )
        assert early == Decision(OrderStatus.QUEUED, 1.0)
        assert late is None

    @pytest.mark.parametrize("result", [LookupResult.PROCESSING, LookupResult.UNAVAILABLE])
    def test_gives_up_on_fruitless_look_ups_and_asks_a_person(self, result: LookupResult) -> None:
        last = after_look_up(
            LookupAnswer(result, Health.SUCCESS), Progress(unresolved=True, lookups=4), PLAIN, POLICY, 0
        )
        assert last == Decision(OrderStatus.REVIEW, reason=EndReason.UNKNOWN)

    @given(result=st.sampled_from(LookupResult), progress=progresses, profile=profiles, jitter=jitters)
    def test_never_ends_an_order_as_dead_or_cancelled(
        self, result: LookupResult, progress: Progress, profile: GatewayProfile, jitter: float
    ) -> None:
        decision = after_look_up(LookupAnswer(result, Health.SUCCESS), progress, profile, POLICY, jitter)
        assert decision is None or decision.status not in {OrderStatus.DEAD, OrderStatus.CANCELLED}


class TestAStoredError:
    def test_is_looked_up_after_a_few_answers_even_where_the_key_is_trusted(self) -> None:
        few, many = (Progress(unresolved=True, stored_errors=count) for count in (2, 3))
        assert next_step(few, KEYED, POLICY) is Step.SEND
        assert next_step(many, KEYED, POLICY) is Step.LOOK_UP

    def test_is_looked_up_before_the_last_attempt_is_spent_on_it(self) -> None:
        last = Progress(unresolved=True, retries=POLICY.max_attempts - 1)
        assert next_step(last, KEYED, POLICY) is Step.SEND
        assert next_step(replace(last, stored_errors=1), KEYED, POLICY) is Step.LOOK_UP

    def test_keeps_its_protecting_key_where_nothing_can_be_looked_up(self) -> None:
        keyed_and_blind = GatewayProfile(deduplicates=True, key_life=3600, looks_up=False, absent_after=30)
        assert next_step(Progress(unresolved=True, stored_errors=9), keyed_and_blind, POLICY) is Step.SEND


class TestARefusal:
    """It may mean "done already", so it is looked up once before the order finishes."""

    REFUSED = Progress(unresolved=True, refused=True, turned_away=True, key_spent=True)

    @pytest.mark.parametrize("profile", [PLAIN, KEYED])
    def test_is_due_at_once_to_be_looked_up(self, profile: GatewayProfile) -> None:
        decision = after_attempt(
            answer(Outcome.UNKNOWN, Advice.STOP), Progress(retries=4), profile, POLICY, 1
        )
        assert decision == Decision(OrderStatus.QUEUED)

    @pytest.mark.parametrize("profile", [PLAIN, KEYED])
    def test_is_looked_up_and_never_sent_again_under_its_key(self, profile: GatewayProfile) -> None:
        for looked_up in (False, True):
            progress = replace(self.REFUSED, looked_up=looked_up)
            assert next_step(progress, profile, POLICY) is Step.LOOK_UP

    @pytest.mark.parametrize("profile", [PLAIN, KEYED])
    def test_ends_the_order_once_nothing_was_charged(self, profile: GatewayProfile) -> None:
        assert next_step(self.REFUSED.proven_absent(), profile, POLICY) is Step.REFUSE

    def test_ends_no_order_that_was_declined_or_is_to_be_cancelled(self) -> None:
        proven = self.REFUSED.proven_absent()
        assert next_step(replace(proven, declined=True), PLAIN, POLICY) is Step.DECLINE
        assert next_step(replace(proven, cancel_requested=True), PLAIN, POLICY) is Step.CANCEL

    def test_goes_to_a_person_where_no_look_up_ever_answers(self) -> None:
        assert next_step(replace(self.REFUSED, lookups=5), KEYED, POLICY) is Step.REVIEW

    def test_from_before_a_person_retried_the_order_ends_nothing(self) -> None:
        assert next_step(Progress(refused=False), PLAIN, POLICY) is Step.SEND

    @pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.FAILED])
    def test_is_a_persons_where_nothing_can_be_looked_up_and_an_earlier_attempt_may_have_charged(
        self, outcome: Outcome
    ) -> None:
        decision = after_attempt(answer(outcome, Advice.STOP), Progress(unresolved=True), BLIND, POLICY, 0)
        assert decision.status is OrderStatus.REVIEW

    @given(progress=progresses, profile=profiles)
    def test_is_never_sent_again_while_it_is_unresolved(
        self, progress: Progress, profile: GatewayProfile
    ) -> None:
        step = next_step(replace(progress, unresolved=True, refused=True), profile, POLICY)
        assert step in {Step.LOOK_UP, Step.CANCEL_CHARGE, Step.REVIEW}


class TestWhereARefusalIsAccepted:
    STOP = answer(Outcome.UNKNOWN, Advice.STOP)

    def test_it_is_proof_where_nothing_can_be_looked_up(self) -> None:
        proof = without_look_up(self.STOP, BLIND)
        assert proof == replace(self.STOP, outcome=Outcome.FAILED)
        assert after_attempt(proof, Progress(), BLIND, POLICY, 0).status is OrderStatus.DEAD

    @pytest.mark.parametrize("profile", [PLAIN, KEYED])
    def test_it_is_not_accepted_where_there_is_a_look_up(self, profile: GatewayProfile) -> None:
        assert without_look_up(self.STOP, profile) is self.STOP

    @pytest.mark.parametrize("advice", sorted(set(Advice) - {Advice.STOP}))
    def test_nothing_else_that_is_unknown_is_ever_proof(self, advice: Advice) -> None:
        unknown = answer(Outcome.UNKNOWN, advice)
        assert without_look_up(unknown, BLIND) is unknown

    @pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.UNKNOWN}))
    def test_an_answer_that_says_what_happened_is_left_as_it_is(self, outcome: Outcome) -> None:
        said = answer(outcome, Advice.STOP)
        assert without_look_up(said, BLIND) is said


class TestAnOrderThatWasTurnedAway:
    """Refused, or answered by a wrong address or for wrong credentials, while an attempt may have charged."""

    TURNED_AWAY = Progress(unresolved=True, turned_away=True)

    def test_is_looked_up_before_the_same_key_is_tried_again(self) -> None:
        assert next_step(self.TURNED_AWAY, KEYED, POLICY) is Step.LOOK_UP

    def test_goes_on_with_the_same_key_where_that_look_up_was_of_no_use(self) -> None:
        assert next_step(replace(self.TURNED_AWAY, looked_up=True), KEYED, POLICY) is Step.SEND

    def test_goes_on_with_the_same_key_where_nothing_can_be_looked_up(self) -> None:
        keyed_and_blind = replace(KEYED, looks_up=False)
        assert next_step(self.TURNED_AWAY, keyed_and_blind, POLICY) is Step.SEND

    def test_is_sent_again_where_nothing_may_have_charged(self) -> None:
        assert next_step(Progress(turned_away=True), PLAIN, POLICY) is Step.SEND


class TestASuspectedOrder:
    """It may have been charged without an attempt that tells of it."""

    SUSPECTED = Progress(unresolved=True, suspected=True)

    @pytest.mark.parametrize("profile", [PLAIN, KEYED])
    def test_is_always_looked_up_before_anything_is_sent(self, profile: GatewayProfile) -> None:
        """Its key may be older than its first attempt that is known."""
        assert next_step(self.SUSPECTED, profile, POLICY) is Step.LOOK_UP

    @pytest.mark.parametrize("profile", [BLIND, replace(KEYED, looks_up=False)])
    def test_is_a_persons_where_nothing_can_be_looked_up(self, profile: GatewayProfile) -> None:
        assert next_step(self.SUSPECTED, profile, POLICY) is Step.REVIEW

    def test_is_sent_once_nothing_was_charged(self) -> None:
        assert next_step(self.SUSPECTED.proven_absent(), PLAIN, POLICY) is Step.SEND


class TestAContradiction:
    """An answer that tells of another charge than the order's."""

    @pytest.mark.parametrize("result", LookupResult)
    def test_in_a_look_up_is_a_persons_at_once(self, result: LookupResult) -> None:
        told = LookupAnswer(result, Health.SUCCESS, contradiction="it is another order's")
        decision = after_look_up(told, Progress(unresolved=True, unresolved_age=99), PLAIN, POLICY, 0)
        assert decision == Decision(OrderStatus.REVIEW, reason=EndReason.WRONG_CHARGE)

    def test_in_an_answer_is_a_persons_at_once(self) -> None:
        told = contradicted(answer(Outcome.SUCCEEDED), "it is another order's")
        assert after_attempt(told, Progress(), KEYED, POLICY, 0).status is OrderStatus.REVIEW

    @given(progress=progresses, profile=profiles)
    def test_under_an_orders_key_is_looked_up_and_sent_no_more(
        self, progress: Progress, profile: GatewayProfile
    ) -> None:
        assert next_step(replace(progress, key_conflict=True), profile, POLICY) is Step.REVIEW


@given(progress=progresses, profile=profiles)
def test_nothing_is_unresolved_after_proof_of_absence(progress: Progress, profile: GatewayProfile) -> None:
    step = next_step(progress.proven_absent(), profile, POLICY)
    assert step not in {Step.LOOK_UP, Step.REVIEW} or progress.key_conflict


class TestAnOrderWhoseLastMomentHasPassed:
    @given(progress=progresses, profile=profiles)
    def test_is_never_sent(self, progress: Progress, profile: GatewayProfile) -> None:
        assert next_step(replace(progress, expired=True), profile, POLICY) is not Step.SEND

    @given(profile=profiles)
    def test_ends_as_expired_once_nothing_was_charged(self, profile: GatewayProfile) -> None:
        assert next_step(Progress(expired=True, refused=True, retries=9), profile, POLICY) is Step.EXPIRE

    def test_ends_as_what_it_was_asked_for_or_declined(self) -> None:
        expired = Progress(expired=True)
        assert next_step(replace(expired, cancel_requested=True), PLAIN, POLICY) is Step.CANCEL
        assert next_step(replace(expired, declined=True), PLAIN, POLICY) is Step.DECLINE

    @given(progress=progresses, profile=profiles)
    def test_is_not_ended_while_it_may_have_been_charged(
        self, progress: Progress, profile: GatewayProfile
    ) -> None:
        step = next_step(replace(progress, expired=True, unresolved=True), profile, POLICY)
        assert step in {Step.LOOK_UP, Step.CANCEL_CHARGE, Step.REVIEW}


class TestAChargeThatCanBeCancelled:
    def test_is_cancelled_where_nothing_can_be_looked_up(self) -> None:
        assert next_step(Progress(unresolved=True), CANCELLING, POLICY) is Step.CANCEL_CHARGE

    def test_is_looked_up_first_and_cancelled_when_that_decides_nothing(self) -> None:
        profile = replace(PLAIN, cancels=True)
        steps = [next_step(Progress(unresolved=True, lookups=count), profile, POLICY) for count in (4, 5, 9)]
        assert steps == [Step.LOOK_UP, Step.CANCEL_CHARGE, Step.CANCEL_CHARGE]

    def test_is_a_persons_when_cancels_decide_nothing_either(self) -> None:
        assert next_step(Progress(unresolved=True, lookups=5), CANCELLING, POLICY) is Step.REVIEW
        both = replace(PLAIN, cancels=True)
        assert next_step(Progress(unresolved=True, lookups=10), both, POLICY) is Step.REVIEW

    def test_is_cancelled_first_if_nobody_wants_it_and_then_looked_up_in_turn(self) -> None:
        profile = replace(PLAIN, cancels=True)
        unwanted = Progress(unresolved=True, cancel_requested=True)
        steps = [next_step(replace(unwanted, lookups=count), profile, POLICY) for count in range(3)]
        assert steps == [Step.CANCEL_CHARGE, Step.LOOK_UP, Step.CANCEL_CHARGE]

    def test_gives_the_order_to_nobody_before_both_budgets_are_used_up(self) -> None:
        unavailable = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE)
        profile = replace(PLAIN, cancels=True)
        statuses = [
            after_look_up(unavailable, Progress(unresolved=True, lookups=count), profile, POLICY, 0)
            for count in (4, 8, 9)
        ]
        assert [found and found.status for found in statuses] == ["queued", "queued", "review"]

    def test_that_is_cancelled_has_charged_nothing_whatever_its_age(self) -> None:
        cancelled = LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)
        assert after_look_up(cancelled, Progress(unresolved=True), CANCELLING, POLICY, 0) is None


class TestAPreparedCharge:
    def test_can_be_looked_up_where_keys_cannot(self) -> None:
        prepared = Progress(unresolved=True, prepared=True)
        assert next_step(prepared, PREPARING, POLICY) is Step.LOOK_UP
        assert next_step(replace(prepared, prepared=False), PREPARING, POLICY) is Step.REVIEW

    def test_of_another_gateway_cannot_be_looked_up(self) -> None:
        assert next_step(Progress(unresolved=True, prepared=True), BLIND, POLICY) is Step.REVIEW

    def test_that_is_not_confirmed_is_trusted_only_after_the_settle_time(self) -> None:
        found = LookupAnswer(LookupResult.PREPARED, Health.SUCCESS)
        early, late = (Progress(unresolved=True, unresolved_age=age) for age in (29.0, 30.0))
        assert after_look_up(found, early, PREPARING, POLICY, 0) == Decision(OrderStatus.QUEUED, 1.0)
        assert after_look_up(found, late, PREPARING, POLICY, 0) is None

    def test_whose_refusal_proves_nothing_is_looked_up(self) -> None:
        refused = answer(Outcome.UNKNOWN, Advice.STOP)
        assert without_look_up(refused, PREPARING) is refused
        assert after_attempt(refused, Progress(), PREPARING, POLICY, 0) == Decision(OrderStatus.QUEUED)

    def test_that_may_be_stored_as_failed_gets_another_key(self) -> None:
        spent = replace(answer(Outcome.FAILED), spends_key=True)
        assert after_attempt(spent, Progress(), PREPARING, POLICY, 0).rotates_key
        assert not after_attempt(spent, Progress(unresolved=True), PREPARING, POLICY, 0).rotates_key
        assert not after_attempt(spent, Progress(), PLAIN, POLICY, 0).rotates_key


class TestWhatIsNotCancelled:
    def test_is_an_order_that_may_have_been_charged_under_a_lost_key(self) -> None:
        """To cancel the key or the charge that is known would prove nothing about the lost one."""
        suspected = Progress(unresolved=True, suspected=True)
        assert next_step(suspected, CANCELLING, POLICY) is Step.REVIEW
        both = replace(PREPARING, cancels=True)
        assert next_step(replace(suspected, cancel_requested=True), both, POLICY) is Step.REVIEW

    def test_is_a_wanted_charge_that_is_still_running(self) -> None:
        running = Progress(unresolved=True, prepared=True, still_running=True)
        both = replace(PREPARING, cancels=True, deduplicates=True, key_life=3600.0)
        steps = [next_step(replace(running, lookups=count), both, POLICY) for count in (0, 4, 5)]
        assert steps == [Step.LOOK_UP, Step.LOOK_UP, Step.REVIEW]

    def test_an_unwanted_charge_is_cancelled_although_it_is_running(self) -> None:
        unwanted = Progress(unresolved=True, prepared=True, still_running=True, expired=True)
        assert next_step(unwanted, replace(PREPARING, cancels=True), POLICY) is Step.CANCEL_CHARGE
