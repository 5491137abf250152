"""`python -m cors_service` is `cors-service`, where the command is not on the PATH."""

import sys

from cors_service.cli import main

if __name__ == "__main__":
    sys.exit(main())
