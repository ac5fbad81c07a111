"""What waits to be written to the stream.

Rule: nothing is encoded here; whole frames come in, and go out in the same order.
"""

from __future__ import annotations


class Outbox:
    """Chunks of frames, and how many bytes they are."""
    __slots__ = ('chunks', 'pending')

    def __init__(self) -> None:
        self.chunks: list[bytes | memoryview] = []
        self.pending = 0

    def write(self, chunk: bytes | memoryview) -> None:
        """Append one chunk."""
        self.chunks.append(chunk)
        self.pending += len(chunk)

    def write_all(self, chunks: list[bytes | memoryview]) -> None:
        """Append several chunks that belong together."""
        self.chunks += chunks
        self.pending += len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))

    def take(self) -> list[bytes | memoryview]:
        """Hand over all chunks."""
        chunks = self.chunks
        self.chunks = []
        self.pending = 0
        return chunks
