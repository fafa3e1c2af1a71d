"""`python -m exactcam`: the command line without its script being on the PATH."""

import sys

try:
    from .cli import main
except KeyboardInterrupt:
    print("\nexactcam: interrupted", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
