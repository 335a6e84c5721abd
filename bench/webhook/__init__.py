"""How many of Stripe's events one API process applies, and what limits it."""
