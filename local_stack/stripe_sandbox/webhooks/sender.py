"""The worker that delivers events, and closes sessions whose time is over."""

import asyncio
import json
import time

import httpx

from local_stack.stripe_sandbox.idempotency import forget_old
from local_stack.stripe_sandbox.resources.checkout_sessions import expire_due_sessions
from local_stack.stripe_sandbox.sandbox import Sandbox
from local_stack.stripe_sandbox.webhooks import queue
from local_stack.stripe_sandbox.webhooks.signature import signature_header

# How often the clock is looked at when nothing else happens.
_TICK_SECONDS = 1.0


class Sender:
    """Deliveries run side by side, as Stripe's do; nothing promises their order."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._next_tick = 0.0
        # Set, and replaced, each time the state may have changed.
        self._progress = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        # A proxy configured on the machine must not be asked for an address on this machine.
        # Each delivery has a connection of its own: a kept one may be ended by the shop just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits) as client:
            try:
                while True:
                    self._sandbox.changed.clear()
                    self._keep_time()
                    self._start_due(client)
                    self._progress.set()
                    self._progress = asyncio.Event()
                    await self._wait()
            finally:
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def wait_until_idle(self, seconds: float, *, empty: bool) -> bool:
        """Whether, within `seconds`, nothing is under way or due; with `empty`, nothing waits for later either."""
        try:
            async with asyncio.timeout(seconds):
                while not self._is_idle(empty=empty):
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    def _is_idle(self, *, empty: bool) -> bool:
        due_at = queue.next_due_at(self._sandbox.store)
        return not self._under_way and (due_at is None or (not empty and due_at > time.time()))

    def _keep_time(self) -> None:
        if time.monotonic() < self._next_tick:
            return
        self._next_tick = time.monotonic() + _TICK_SECONDS
        context = self._sandbox.context()
        with self._sandbox.store.transaction():
            expire_due_sessions(context)
            forget_old(self._sandbox.store, context.now)

    def _start_due(self, client: httpx.AsyncClient) -> None:
        current = self._sandbox.delivery_controls()
        room = current.parallel - len(self._under_way)
        if current.paused or current.webhook_url is None or room <= 0:
            return
        exclude = set(self._under_way)
        for delivery in queue.due(self._sandbox.store, order=current.order, exclude=exclude, limit=room):
            task = asyncio.create_task(self._deliver(client, delivery, current))
            self._under_way[delivery.id] = task
            task.add_done_callback(lambda done, id=delivery.id: self._finished(id, done))

    def _finished(self, id: int, task: "asyncio.Task[None]") -> None:
        del self._under_way[id]
        self._sandbox.wake()
        if not task.cancelled() and (fault := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "delivery broke", "exception": fault})

    async def _wait(self) -> None:
        seconds = _TICK_SECONDS
        due_at = queue.next_due_at(self._sandbox.store)
        if due_at is not None and due_at > time.time():
            seconds = min(seconds, due_at - time.time())
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._sandbox.changed.wait()
        except TimeoutError:
            return

    async def _deliver(
        self, client: httpx.AsyncClient, delivery: queue.Delivery, current: queue.DeliveryControls
    ) -> None:
        store = self._sandbox.store
        event = store.find("event", delivery.event_id)
        if event is None:
            # The sandbox was reset meanwhile.
            return
        event["pending_webhooks"] = 1
        payload = json.dumps(event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature_header(payload, self._sandbox.settings.webhook_secrets, int(time.time())),
        }
        status, error = None, None
        try:
            async with asyncio.timeout(current.timeout_seconds):
                response = await client.post(
                    current.webhook_url or "", content=payload, headers=headers, timeout=current.timeout_seconds
                )
            status = response.status_code
        except (httpx.HTTPError, TimeoutError) as fault:
            error = type(fault).__name__
        with store.transaction():
            queue.record(store, delivery, status=status, error=error, retry_seconds=current.retry_seconds)
