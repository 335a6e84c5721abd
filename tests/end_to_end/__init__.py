"""What takes several processes to show."""
