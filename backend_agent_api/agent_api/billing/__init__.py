"""Selling token packs through Stripe: checkout, webhook, purchases, usage, reconciliation.

The only folder that imports `stripe`, and within it only `client` and `webhook` do. What a payment amounts to is
decided by SQL (`record_payment`, `settle_purchase`); here it is found out what happened.
"""
