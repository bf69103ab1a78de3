"""Everything that is needed to run Bulkhead on one machine; never deployed."""
