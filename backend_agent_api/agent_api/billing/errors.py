"""Refusals of buying, beside those that SQL speaks (`agent_api.errors`)."""

from agent_api.errors import AppError, Unavailable


class BillingUnavailable(Unavailable):
    """This installation sells nothing: STRIPE_SECRET_KEY or STRIPE_WEBHOOK_SECRET is not set."""

    code, default_message = "billing_unavailable", "Buying tokens is not set up here."


class StripeUnavailable(AppError):
    """Stripe does not answer, or not as it should."""

    status_code, code = 502, "stripe_unavailable"
    default_message = "The payment service does not answer right now. Nothing was charged. Please try again."


class InvalidSignature(AppError):
    """The webhook's body was not signed with a known secret, or too long ago."""

    status_code, code, default_message = 400, "invalid_signature", "The signature does not hold."


class InvalidEvent(AppError):
    """Signed, but not an event."""

    status_code, code, default_message = 400, "invalid_event", "The body is not a Stripe event."


class EventNotApplied(Unavailable):
    """The event is kept, its effect failed for now: send it again."""

    code, default_message = "event_not_applied", "The event could not be applied yet."


class EventNotFound(AppError):
    """No such event in the inbox."""

    status_code, code, default_message = 404, "event_not_found", "This event is not known here."


class FlagNotFound(AppError):
    """No payment of this id was ever flagged."""

    status_code, code, default_message = 404, "flag_not_found", "This payment was not flagged."


class ReconciliationRunning(AppError):
    """One at a time, whichever replica is at it."""

    status_code, code = 409, "reconciliation_running"
    default_message = "A reconciliation is running. Its report will be there shortly."


class ReconciliationNeverRan(AppError):
    """There is no report yet."""

    status_code, code, default_message = 404, "no_report", "No reconciliation has finished yet."
