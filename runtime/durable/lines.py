"""What is known of one tenant's events for one service: how far the log has been read into memory.

A queue has one line, but for a while after shards came from another process: those are read from the log's low
watermark on while the others go on where they are. Lines that have caught up become one.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.core.watermark import LowWatermark

EXCUSED_WINDOWS = 10
"""So many windows of entries more may wait behind held keys of a queue, before they keep out others of their tenant."""


class Line:
    """The events of some shards in a queue.

    `loaded` is the seq up to which the log has been read into the window, `tail` the highest seq known to exist. The
    window holds all that waits when the two are equal.
    """

    __slots__ = ("excused", "loaded", "shards", "tail", "waiting", "watermark")

    def __init__(self, shards: frozenset[int], watermark: int, tail: int) -> None:
        self.shards = shards
        self.loaded = watermark
        self.tail = tail
        self.waiting = 0
        """How many entries fill the window."""
        self.excused: set[int] = set()
        """Entries (by seq) that wait beside it: those behind a held key."""
        self.watermark = LowWatermark(watermark)

    @property
    def behind(self) -> bool:
        return self.loaded < self.tail

    @property
    def unfinished(self) -> bool:
        return self.behind or self.watermark.value < self.loaded

    def excuse(self, seq: int, window: int) -> None:
        """Let an entry wait beside the window, within reason."""
        if seq not in self.excused and len(self.excused) < EXCUSED_WINDOWS * window:
            self.excused.add(seq)
            self.waiting -= 1

    def leave(self, seqs: Iterable[int]) -> None:
        """Entries do not wait any more."""
        for seq in seqs:
            if seq in self.excused:
                self.excused.remove(seq)
            else:
                self.waiting -= 1

    def complete_up_to(self, position: int) -> bool:
        """Whether it has read all that there is up to `position`, where everything is known, and nothing beyond."""
        return not self.behind and self.loaded <= position

    def absorb(self, other: Line) -> None:
        """Take over the shards of a line; both are complete up to the same position."""
        self.shards |= other.shards
        self.loaded = max(self.loaded, other.loaded)
        self.tail = max(self.tail, other.tail)
        self.waiting += other.waiting
        self.excused |= other.excused
        self.watermark.absorb(other.watermark)


class Queue:
    """One tenant's events for one service. Its lines have each shard of this process once."""

    __slots__ = ("id", "lines", "service", "tenant")

    def __init__(self, queue_id: int, service: str, tenant: str, line: Line) -> None:
        self.id = queue_id
        self.service = service
        self.tenant = tenant
        self.lines = [line]

    @property
    def watermark(self) -> int | None:
        """The seq up to which all of its own has its outcome on disk; None without shards."""
        return min((line.watermark.value for line in self.lines), default=None)

    @property
    def behind(self) -> bool:
        return any(line.behind for line in self.lines)

    @property
    def unfinished(self) -> bool:
        return any(line.unfinished for line in self.lines)

    def line_of(self, shard: int) -> Line:
        return next(line for line in self.lines if shard in line.shards)

    def restart(self, shards: frozenset[int]) -> Line | None:
        """Forget what was read after the watermark."""
        watermark = self.watermark
        if watermark is None:
            return None
        line = Line(shards, watermark, max(line.tail for line in self.lines))
        self.lines = [line]
        return line

    def unite(self, position: int) -> None:
        """Make one of the lines that are complete up to a position."""
        complete = [line for line in self.lines if line.complete_up_to(position)]
        for line in complete[1:]:
            complete[0].absorb(line)
            self.lines.remove(line)

    def done(self, seqs: Iterable[int]) -> None:
        """The outcomes of entries are on disk."""
        if len(self.lines) == 1:
            done = self.lines[0].watermark.done
            for seq in seqs:
                done(seq)
            return
        for seq in seqs:
            for line in self.lines:
                if seq in line.watermark:
                    line.watermark.done(seq)

    def forget(self, shards: frozenset[int], waiting: Iterable[tuple[int, int]]) -> None:
        """Know no more of shards of which only entries (shard, seq) that wait are left."""
        for shard, seq in waiting:
            line = self.line_of(shard)
            line.leave((seq,))
            line.watermark.done(seq)
        for line in self.lines:
            line.shards -= shards
        self.lines = [line for line in self.lines if line.shards]
