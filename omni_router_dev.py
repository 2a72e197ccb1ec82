"""The command line, for a checkout that is not installed: `python omni_router_dev.py --list-routes`."""

from omni_router.cli import main

raise SystemExit(main())
