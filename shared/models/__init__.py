"""Values that the product speaks in. They know nothing of clients, storage or the flow."""
