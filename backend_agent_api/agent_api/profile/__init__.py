"""The caller's profile. Of it, a person can change their name and nothing else."""
