"""The durable steps, named once: every write that must survive a crash says which one it is.

Adapters name spans after them; the crash suite is generated from this list and kills the process before and after each.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """A write of truth, a bell, or a call that leaves the house."""

    ENQUEUE = "webhook.enqueue"
    ARRIVE = "intake.arrive"
    RING_TURN = "intake.ring"
    TAKE_TURN = "turn.take"
    RENEW_LEASE = "lease.renew"
    FINISH_TURN = "turn.finish"
    POSTPONE_TURN = "turn.postpone"
    FAIL_TURN = "turn.fail"
    RELEASE_TURN = "turn.release"
    MARK_BELL = "turn.mark_bell"
    RING_AGAIN = "turn.ring_again"
    RING_DELIVERY = "turn.ring_delivery"
    TAKE_PART = "delivery.take"
    CALL_PLATFORM = "delivery.call"
    RECORD_PART = "delivery.record"
    POSTPONE_PART = "delivery.postpone"
    FAIL_PART = "delivery.fail"
    RING_PART = "delivery.ring_again"
    RING_DEAD_LETTER = "dead_letter.ring"
    TELL_DEAD_LETTER = "dead_letter.tell"
    RECORD_UNROUTED = "dead_letter.unrouted"
    RECORD_BROKER = "dead_letter.broker"
    REPLAY = "dead_letter.replay"
    DISCARD = "dead_letter.discard"
    RING_REPLAY = "dead_letter.ring_replay"
    SET_REMINDER = "reminder.set"
    ADVANCE_REMINDER = "reminder.advance"
    SWEEP = "sweeper.ring"
    MARK_SWEPT = "sweeper.mark"
    ADMIT_PERSON = "people.admit"
    CHANGE_PERSON = "people.change"
    ISSUE_CODE = "people.issue_code"
    SPEND_CODE = "people.spend_code"
    SUMMARISE = "history.summarise"
    SHOW_PROGRESS = "progress.show"
    SETTLE_INBOUND = "settle.inbound"
    SETTLE_TURNS = "settle.turns"
    SETTLE_BACKGROUND = "settle.background"
    SETTLE_OUTBOUND = "settle.outbound"
    SETTLE_DEAD_LETTERS = "settle.dead-letters"
    DURABLE_START = "durable.start"
    DURABLE_EVENT = "durable.event"
    DURABLE_EPISODE = "durable.episode"
    DURABLE_ACTIVITY = "durable.activity"
