"""The entry point, `python -m console`."""

import logging

from console.commands import bulkhead

if __name__ == "__main__":
    # The log is the app's. What a person has to know of it, such as rows that cannot be read, a command says itself.
    logging.basicConfig(level=logging.CRITICAL)
    bulkhead(prog_name="bulkhead")
