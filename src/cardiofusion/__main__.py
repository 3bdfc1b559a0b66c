"""`python -m cardiofusion`."""

from cardiofusion.cli import main

main()
