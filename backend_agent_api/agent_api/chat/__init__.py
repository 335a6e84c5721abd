"""Conversations, and the turns that happen in them."""
