"""A stateful stand-in for Stripe that the real client library and the official CLI can talk to."""
