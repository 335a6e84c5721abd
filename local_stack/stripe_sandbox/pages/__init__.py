"""What a person sees: the hosted payment page and the control page. Plain HTML, no script."""
