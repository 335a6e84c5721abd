"""What a user has and how it came about: balance, live balance, transactions."""
