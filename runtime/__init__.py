"""What runs actors: apps, supervision, fair scheduling, the durable log, HTTP and the `postroom` command."""

from runtime.app import App, Enqueue
from runtime.cells.routing import Routing
from runtime.core.work_classes import ByRunTime, BySize
from runtime.definition import ServiceDefinition
from runtime.running import Running
from runtime.settings import Settings

__all__ = ["App", "ByRunTime", "BySize", "Enqueue", "Routing", "Running", "ServiceDefinition", "Settings"]
