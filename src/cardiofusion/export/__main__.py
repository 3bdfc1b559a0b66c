"""`python -m cardiofusion.export`: the process behind `Exporting`."""

import sys

from cardiofusion.export.job import main

sys.exit(main())
