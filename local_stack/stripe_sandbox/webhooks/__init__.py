"""Signed deliveries of events."""
