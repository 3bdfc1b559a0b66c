"""What programs use: JSON over HTTP, described by OpenAPI."""

from cardiofusion.serve.api import assessing, cases, jobs

ROUTERS = tuple(module.router for module in (assessing, cases, jobs))

__all__ = ["ROUTERS"]
