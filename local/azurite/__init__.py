"""Azurite, the storage emulator that `make run` and the tests store into."""

from local.azurite.launcher import Azurite, AzuriteError, AzuriteServer

__all__ = ["Azurite", "AzuriteError", "AzuriteServer"]
