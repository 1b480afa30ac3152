"""Training: the step, the loops around it, what they record and save."""
