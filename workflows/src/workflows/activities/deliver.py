"""Delivery of a subject's pending events to its webhook, in order."""

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from shared.contracts.deliveries import (
    DeliveryActivities,
    DeliveryProgress,
    DeliveryRun,
    DeliveryState,
    DeliveryStatus,
)
from shared.contracts.owners import Owner
from shared.db.models.webhooks import WebhookDelivery
from shared.db.repositories.deliveries import (
    disable_pending,
    end_delivery,
    lock_pending,
    log_attempt,
    next_delivery,
)
from shared.db.repositories.webhook_endpoints import note_failure, note_success
from shared.db.session import Sessions
from shared.egress.guard import Guard
from shared.errors import TenantLimitError
from shared.temporal.heartbeat import Heartbeat
from shared.temporal.shares import TenantShares, tenant_of_activity
from shared.webhooks.keyring import Keyring
from shared.webhooks.posting import UNFORESEEN, DeliveryVerdict, PostResult, post
from shared.webhooks.schedule import delay_s
from shared.webhooks.signing import SigningKeys, signed_headers
from shared.webhooks.vault import UndecryptableSecretError

_log = structlog.stdlib.get_logger(__name__)

_BATCH_S = 30.0
_SLOTS_PER_PLACE = 8
_PLACE_TIMEOUT_S = 40.0
_CROWDED_WAIT_S = 30.0
"""Longer than a receiver's timeout, so that earlier deliveries have made progress by then."""
_HEARTBEAT_S = 4.0
_DUE_TOLERANCE_S = 1.0
"""Tolerance for the resolution of timers and for clocks that differ between machines."""

_SEALED = (
    "nothing was sent: the signing keys cannot be decrypted;"
    " rotate the webhook secret with overlap_s=0"
)

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class Courier(DeliveryActivities):
    """Delivery of events to webhooks.

    No database connection is held during a request to a receiver. If a worker dies between a
    response and its record, the next worker posts the event again, under the same id.

    Args:
        sessions: the records.
        keyring: signing keys.
        guard: decides which hosts may be called.
        timeout_s: limit of one request to a receiver.
        places: number of concurrent requests; one tenant uses at most half of them.
        clock: returns the current time.
    """

    def __init__(
        self,
        sessions: Sessions,
        keyring: Keyring,
        guard: Guard,
        *,
        timeout_s: float,
        places: int = 100,
        clock: Clock = _now,
    ) -> None:
        self.slots = _SLOTS_PER_PLACE * places
        """Concurrent activities of its worker, including those that wait for a place."""
        self._shares = TenantShares(places, self.slots)
        self._sessions = sessions
        self._keyring = keyring
        self._guard = guard
        self._timeout_s = timeout_s
        self._clock = clock

    @activity.defn(name="deliver_pending")
    async def deliver_pending(self, run: DeliveryRun) -> DeliveryProgress:
        """Post a subject's pending events in order, until one fails or none is left."""
        try:
            async with (
                Heartbeat(_HEARTBEAT_S),
                self._shares.place(tenant_of_activity(), max_wait_s=_PLACE_TIMEOUT_S),
            ):
                return await self._deliver_batch(run)
        except TenantLimitError as error:
            wait_s = _CROWDED_WAIT_S * (0.5 + random.random())  # noqa: S311 -- no secret
            return DeliveryProgress(state=DeliveryState.WAITING, wait_s=wait_s, error=str(error))

    async def _deliver_batch(self, run: DeliveryRun) -> DeliveryProgress:
        until = time.monotonic() + _BATCH_S
        while time.monotonic() < until:
            standing = await self._deliver_next(run)
            if standing is not None:
                return standing
        return DeliveryProgress(state=DeliveryState.MORE)

    async def _deliver_next(self, run: DeliveryRun) -> DeliveryProgress | None:
        """Deliver the next event; return the state of the deliveries if none is due."""
        async with self._sessions.begin() as session:
            found = await next_delivery(session, run.subject_id)
            if found is None:
                return DeliveryProgress(state=DeliveryState.DRAINED)
            delivery, receiver = found
            if receiver is not None and receiver.disabled_at is not None:
                await disable_pending(session, run.subject_id, delivery.url)
                return None
            if standing := self._not_due(delivery):
                return standing
            keys = await self._open_keys(session, delivery)
        at = self._clock()
        answer = await self._attempt(delivery, keys)
        has_failed = receiver is not None and receiver.failing_since is not None
        await self._write(delivery, at, answer, has_failed=has_failed)
        return None

    def _not_due(self, delivery: WebhookDelivery) -> DeliveryProgress | None:
        due = delivery.next_attempt_at or self._clock()
        wait_s = (due - self._clock()).total_seconds()
        if wait_s <= _DUE_TOLERANCE_S:
            return None
        return DeliveryProgress(
            state=DeliveryState.WAITING,
            wait_s=wait_s,
            failures=delivery.failures,
            error=delivery.attempts[-1]["error"] if delivery.attempts else None,
        )

    async def _open_keys(
        self, session: AsyncSession, delivery: WebhookDelivery
    ) -> list[SigningKeys]:
        """Return the signing keys of an event; none if they cannot be decrypted."""
        owner = Owner(
            origin_instance=delivery.origin_instance, origin_tenant_id=delivery.origin_tenant_id
        )
        try:
            return [each.keys for each in await self._keyring.valid_keys(session, owner)]
        except UndecryptableSecretError as error:
            _log.error("signing_keys_sealed", delivery=str(delivery.id), exc_info=error)
            return []

    async def _attempt(self, delivery: WebhookDelivery, keys: list[SigningKeys]) -> PostResult:
        """Make one attempt; an unexpected error counts as a failed attempt."""
        if not keys:
            return PostResult(DeliveryVerdict.NOT_SENT, 0, error=_SEALED)
        try:
            return await self._post(delivery, keys)
        except Exception as error:  # noqa: BLE001 — raised, it would be retried without end
            _log.error("attempt_broke", delivery=str(delivery.id), exc_info=error)
            return PostResult(DeliveryVerdict.NOT_SENT, 0, error=UNFORESEEN)

    async def _post(self, delivery: WebhookDelivery, keys: list[SigningKeys]) -> PostResult:
        body = json.dumps(delivery.event.payload, ensure_ascii=False, separators=(",", ":"))
        # Always the real time: receivers compare it with their own clock.
        headers = signed_headers(keys, delivery.webhook_id, _now(), body)
        return await post(
            delivery.url,
            headers | {"content-type": "application/json"},
            body.encode(),
            guard=self._guard,
            timeout_s=self._timeout_s,
        )

    async def _write(
        self, sent: WebhookDelivery, at: datetime, answer: PostResult, *, has_failed: bool
    ) -> None:
        now = self._clock()
        async with self._sessions.begin() as session:
            delivery = await lock_pending(session, sent.id)
            if delivery is None:  # an earlier try of this activity has recorded it meanwhile
                return
            attempt = {
                "at": at.isoformat(),
                "status_code": answer.status_code,
                "ms": answer.ms,
                "error": answer.error,
            }
            log_attempt(delivery, attempt)
            if answer.verdict == DeliveryVerdict.DELIVERED:
                end_delivery(delivery, DeliveryStatus.DELIVERED)
                delivery.delivered_at = now
                if has_failed:
                    await note_success(session, delivery)
                return
            delivery.failures += 1
            if await _is_disabled(session, delivery, answer, now):
                await disable_pending(session, delivery.subject_id, delivery.url)
                end_delivery(delivery, DeliveryStatus.DISABLED)
                return
            _plan_next(delivery, answer, now)


async def _is_disabled(
    session: AsyncSession, delivery: WebhookDelivery, answer: PostResult, now: datetime
) -> bool:
    if answer.verdict == DeliveryVerdict.NOT_SENT:
        return False
    return await note_failure(
        session, delivery, now, is_gone=answer.verdict == DeliveryVerdict.GONE
    )


def _plan_next(delivery: WebhookDelivery, answer: PostResult, now: datetime) -> None:
    wait_s = delay_s(delivery.failures, random.random(), answer.retry_after_s)  # noqa: S311 -- no secret
    if wait_s is None or answer.verdict == DeliveryVerdict.FORBIDDEN:
        end_delivery(delivery, DeliveryStatus.FAILED)
    else:
        delivery.next_attempt_at = now + timedelta(seconds=wait_s)
