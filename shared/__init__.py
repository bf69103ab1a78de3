"""What responders lean on: models, clients, storage, config and errors. Imports nothing from `responders`."""

VERSION = "0.1.0"
"""The version of the product, as pyproject.toml has it; what is archived names it."""
