"""`python -m exactcam`: the command line without its script being on the PATH."""

import sys

from .cli import main

sys.exit(main())
