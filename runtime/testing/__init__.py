"""The testing kit: an app in a plain test, without server and without waiting; time and failures are the test's own."""

from runtime.testing.clock import VirtualClock
from runtime.testing.kit import Kit, app
from runtime.testing.script import Handled

__all__ = ["Handled", "Kit", "VirtualClock", "app"]
