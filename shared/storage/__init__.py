"""What we keep: rows, documents, queues and evidence, each a port with an adapter for Azure Storage."""
