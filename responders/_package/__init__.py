"""Defender's investigation package, opened where it lies: told by shape, whatever language the device speaks."""
