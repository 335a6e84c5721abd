"""Variables of payment."""

from __future__ import annotations

from deployer.settings.model import API, Reader, Section, Setting

STRIPE = Section(
    "Stripe",
    (
        Setting(
            *("STRIPE_SECRET_KEY", (API,), ""),
            example="sk_test_...",
            required="together with STRIPE_WEBHOOK_SECRET",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            *("STRIPE_WEBHOOK_SECRET", (API,), "", "Two, separated by a comma, while a secret is being replaced."),
            example="whsec_...",
            required="together with STRIPE_SECRET_KEY",
            is_secret=True,
            is_common=True,
        ),
        Setting(
            *("STRIPE_API_BASE", (API,), ""),
            "Only for a stand-in. Refused together with a live key or ENVIRONMENT=production.",
            is_common=True,
        ),
        Setting(
            *("STRIPE_APP_NAME", (API,), "agent-api"),
            "Marks what this installation makes in the Stripe account; what is marked otherwise is ignored.",
        ),
        Setting("STRIPE_CONNECT_TIMEOUT_SECONDS", (API,), "4"),
        Setting("STRIPE_TIMEOUT_SECONDS", (API,), "8", "One attempt at Stripe."),
        Setting("STRIPE_DEADLINE_SECONDS", (API,), "18", "One request to Stripe, further attempts included."),
        Setting("STRIPE_RETRIES_MAX", (API,), "2"),
        Setting("STRIPE_REQUESTS_AT_ONCE_MAX", (API,), "20"),
        Setting("WEBHOOK_BODY_MAX_BYTES", (API, Reader.CADDY), "262144"),
        Setting("WEBHOOK_TOLERANCE_SECONDS", (API,), "300", "How old a signature may be."),
        Setting("PURCHASES_PER_WINDOW_MAX", (API,), "20", "New purchases one person may begin per window."),
        Setting("PURCHASE_WINDOW_SECONDS", (API,), "3600"),
        Setting("STRIPE_IGNORED_EVENTS_KEEP_DAYS", (API,), "30"),
    ),
    "Without both keys nothing is sold (503 billing_unavailable) and everything else works. See docs/stripe-setup.md.",
)

RECONCILIATION = Section(
    "Reconciliation with Stripe",
    (
        Setting("RECONCILE_INTERVAL_SECONDS", (API,), "300"),
        Setting("RECONCILE_GRACE_SECONDS", (API,), "120", "What is younger is left to its webhook."),
        Setting(
            *("RECONCILE_RECHECK_SECONDS", (API,), "3600"),
            "How often Stripe is asked about a purchase that stays unpaid.",
        ),
        Setting("RECONCILE_LEASE_SECONDS", (API,), "120"),
        Setting(
            *("RECONCILE_WINDOW_HOURS", (API,), "24"),
            "Payments of this long are compared in every run; in a full one, once a day, those of RECONCILE_FULL_DAYS.",
        ),
        Setting("RECONCILE_FULL_DAYS", (API,), "90"),
        Setting("RECONCILE_AUDIT_TIMEOUT_SECONDS", (API,), "300"),
    ),
)
