"""Which channel numbers are in use.

Rule: a number is taken from the moment that its Channel.Open is queued until the channel has ended
on both sides; one whose end is unknown stays taken, for a second Channel.Open on it would end the
connection (rule 16).
"""

from __future__ import annotations

from pika import exceptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika.channel_state import ChannelState


class ChannelNumbers:
    """The channels of a connection by number; channel_max is the highest number allowed."""

    def __init__(self) -> None:
        self.channels: dict[int, ChannelState] = {}
        self._lowest = 1  # all numbers below are taken

    def choose(self, number: int | None, channel_max: int) -> int:
        """The lowest free number, or `number` if it can be used.

        Raises:
          NoFreeChannels: all up to `channel_max` are taken.
          ParameterTypeError, ParameterValueError: `number` is none, out of range, or taken.
        """
        if number is None:
            return self._choose_lowest(channel_max)
        if isinstance(number, bool) or not isinstance(number, int):
            raise exceptions.ParameterTypeError('channel_number', number, 'an int')
        if not 1 <= number <= channel_max:
            raise exceptions.ParameterValueError('channel_number', number,
                                                 f'1 to {channel_max} (channel_max)')
        if number in self.channels:
            raise exceptions.ParameterValueError('channel_number', number, 'one that is not in use')
        return number

    def release(self, number: int) -> None:
        """The channel has ended."""
        del self.channels[number]
        self._lowest = min(self._lowest, number)

    def _choose_lowest(self, channel_max: int) -> int:
        while self._lowest in self.channels:  # never twice over the same numbers
            self._lowest += 1
        if self._lowest > channel_max:
            raise exceptions.NoFreeChannels()
        return self._lowest
