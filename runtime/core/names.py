"""What apps, services, trees and schedules can be named."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
