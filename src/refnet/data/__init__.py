"""Data: files and pictures on their way to a batch."""
