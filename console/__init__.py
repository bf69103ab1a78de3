"""The operator's command `bulkhead`: looks into the ledger, and puts orders into a queue. It never writes to the
ledger, and is never deployed.
"""
