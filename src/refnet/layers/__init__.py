"""Layers: what a net is made of, and the nets of the course."""
