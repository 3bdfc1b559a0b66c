"""What people see."""

from cardiofusion.serve.pages import assessing, batches, cases, knowledge, monitor, preferences, worklist

ROUTERS = tuple(
    module.router for module in (worklist, assessing, cases, batches, knowledge, monitor, preferences)
)

__all__ = ["ROUTERS"]
