"""What responders lean on: models, clients, storage, config and errors. Imports nothing from `responders`."""
