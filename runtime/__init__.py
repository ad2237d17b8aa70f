"""What runs actors: apps, supervision, fair scheduling, the durable log, HTTP and the `postroom` command.

The names are imported when they are asked for: a command that only asks a running app needs neither its database driver
nor its HTTP server, and starts in a third of the time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.app import App, Enqueue
    from runtime.cells.routing import Routing
    from runtime.core.work_classes import ByRunTime, BySize
    from runtime.definition import ServiceDefinition
    from runtime.running import Running
    from runtime.settings import Settings
else:
    from runtime.late_names import late_names as _late_names

    __getattr__ = _late_names(
        __name__,
        {
            "App": "runtime.app",
            "ByRunTime": "runtime.core.work_classes",
            "BySize": "runtime.core.work_classes",
            "Enqueue": "runtime.app",
            "Routing": "runtime.cells.routing",
            "Running": "runtime.running",
            "ServiceDefinition": "runtime.definition",
            "Settings": "runtime.settings",
        },
    )

__all__ = ["App", "ByRunTime", "BySize", "Enqueue", "Routing", "Running", "ServiceDefinition", "Settings"]
