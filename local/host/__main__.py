"""The entry point, `python -m local.host`."""

import sys

from local.host.arguments import parse_host
from local.host.logs import configure_logging
from local.host.supervisor import Supervisor

if __name__ == "__main__":
    asked = parse_host(sys.argv[1:])
    configure_logging()
    sys.exit(Supervisor(sys.argv[1:], asked.drain).run())
