"""Ports held in memory: the same semantics as the adapters, deterministic, with a hook around every effect."""
