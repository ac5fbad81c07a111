"""Field tables, field arrays and short strings, from Python to bytes and back.

Rule of this file: it knows neither methods nor frames, and no bytes and no value bring it down.
Whatever a peer sends decodes or raises `ProtocolSyntaxError`; whatever a caller passes is encoded
as a type that RabbitMQ reads, or refused with the path to it (``headers.x-retries[2]``). What was
read is written back with the wire types that it had. AMQP 0-9-1 section 4.2.5, with the types of
the errata (3).

==================================== ==== =======================================================
Python                               wire decodes to
==================================== ==== =======================================================
str                                  S    str; other than UTF-8 as surrogate escapes
bytes, bytearray, memoryview         x    bytes
bool                                 t    bool
int of at most 32 bits               I    int
int of at most 64 bits               l    int; `Int64` where 32 bits would do
float                                d    float
decimal.Decimal                      D    Decimal with the same exponent
datetime.datetime (naive means UTC)  T    aware datetime in UTC; `Timestamp` where there is none
dict, another mapping                F    dict
list, tuple, another sequence        A    list
None                                 V    None
Int8 UInt8 Int16 UInt16 UInt32 Int64 *    the same class (b B s u i l)
Float32                              f    Float32
==================================== ==== =======================================================

``L`` is read as ``l`` and ``U`` as ``s``; neither is ever written, for RabbitMQ does not know
``U``. A subclass (an `IntEnum`, an `OrderedDict`) is written as its nearest class in the table.
`FieldValue` and `Table` are names for type checkers: import them under ``TYPE_CHECKING``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from struct import Struct
from struct import error as StructError

from pika import exceptions
from pika.exceptions import ProtocolSyntaxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, Union

    FieldValue = Union[None, bool, int, float, str, bytes, bytearray, memoryview, Decimal, datetime,
                       Mapping[str, 'FieldValue'], Sequence['FieldValue']]
    #: What comes out. What goes in is Mapping[str, FieldValue], so that a dict[str, int] may.
    Table = dict[str, FieldValue]
    # (encoded, offset behind the kind, end of the container, level)
    _Reader = Callable[[bytes, int, int, int], tuple[Any, int]]
    # (pieces, value, level)
    _Writer = Callable[[list[bytes], Any, int], int]

#: Tables and arrays may lie this many levels deep, in either direction; the outermost is level 1.
MAX_DEPTH = 64

#: A table or array from a peer may have this many entries, which is more than 32-bit integers fit
#: into a frame of 131,072 bytes.
MAX_ENTRIES = 32768


class Int8(int):
    """An integer to be sent as ``b``: -128 to 127, checked when it is encoded."""


class UInt8(int):
    """An integer to be sent as ``B``: 0 to 255, checked when it is encoded."""


class Int16(int):
    """An integer to be sent as ``s``: -32768 to 32767, checked when it is encoded."""


class UInt16(int):
    """An integer to be sent as ``u``: 0 to 65535, checked when it is encoded."""


class UInt32(int):
    """An integer to be sent as ``i``: 0 to 2**32 - 1, checked when it is encoded."""


class Int64(int):
    """An integer to be sent as ``l`` however small: -2**63 to 2**63 - 1, checked when encoded."""


class Timestamp(int):
    """The raw number of a ``T``, by the specification seconds since 1970: -2**63 to 2**63 - 1.

    Decoding gives it for a number that is no date between 1970 and 9999: producers do send
    milliseconds, microseconds and negative numbers. Nothing is guessed about the unit. To send such
    a number, pass one.
    """


class Float32(float):
    """A float to be sent as ``f``: rounded to 32 bits when encoded, refused if too large."""


class SpoiltTable(dict[str, 'FieldValue']):
    """A header table, something inside of which cannot be decoded.

    It holds the entries before the bad one. Encoding writes the raw bytes as they came, so that a
    message goes on unchanged; to send what is readable, or a change of it, pass ``dict(table)``.
    """

    def __init__(self, entries: Table, raw: bytes, error: ProtocolSyntaxError) -> None:
        super().__init__(entries)
        #: The bytes of the table as they arrived, without the length before them.
        self.raw = raw
        #: What is wrong with it.
        self.error = error


class _Refused(Exception):
    """Takes a refusal outwards, while every container puts its step in front of the path."""

    def __init__(self, error: Callable[[str], Exception]) -> None:
        super().__init__()
        self.error = error
        self.path = ''

    def under(self, step: object, form: str = '.{}') -> _Refused:
        """Itself, now that the value is this step further inside."""
        text = str(step)
        self.path = form.format(text if len(text) <= 64 else text[:61] + '...') + self.path
        return self

    def result(self, parameter: str) -> Exception:
        """The error to raise, with the whole path in it."""
        return self.error((parameter + self.path).removeprefix('.') or 'value')


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z
_NO_BYTES = b'\0\0\0\0'
_OCTETS = tuple(bytes((number,)) for number in range(256))
_ENTRIES = range(MAX_ENTRIES)
_DEPTH_ALLOWED = f'at most {MAX_DEPTH} levels of tables and arrays'

_pack_size = Struct('>I').pack
_unpack_size = Struct('>I').unpack_from
_pack_kind_size = Struct('>cI').pack
_pack_int32 = Struct('>ci').pack
_unpack_int32 = Struct('>i').unpack_from
_pack_decimal = Struct('>cBi').pack
_unpack_decimal = Struct('>Bi').unpack_from

# Encoding


def encode_short_string(pieces: list[bytes], value: str | bytes, *, parameter: str = '') -> int:
    """Appends a short string, an octet of length and then UTF-8, and returns how many bytes.

    Rule 40: the limit is 255 bytes, not characters; beyond it `ShortStringTooLong` names
    `parameter`. `bytes` go out as they are. Anything else: `ParameterTypeError`; a lone surrogate:
    `ParameterValueError`.
    """
    if isinstance(value, str):
        try:
            encoded = value.encode('utf-8', 'surrogateescape')
        except UnicodeEncodeError:
            raise exceptions.ParameterValueError(parameter or 'value', value,
                                                 'text that UTF-8 can hold') from None
    elif isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        encoded = value
    else:
        raise exceptions.ParameterTypeError(parameter or 'value', value, 'a str')
    length = len(encoded)
    if length > 255:
        raise exceptions.ShortStringTooLong(encoded, parameter=parameter)
    pieces.append(_OCTETS[length])
    pieces.append(encoded)
    return length + 1


def encode_table(pieces: list[bytes],
                 table: Mapping[str, FieldValue] | None,
                 *,
                 parameter: str = '') -> int:
    """Appends a field table with its four bytes of length, and returns how many bytes.

    None is the empty table, and a `SpoiltTable` the bytes it came from. `parameter` starts the path
    in an error: `UnsupportedAMQPFieldException` for a type AMQP has not, `ParameterValueError` for
    a value that does not fit (also for nesting beyond `MAX_DEPTH`, and so for a table within
    itself), `ParameterTypeError` for a key that is no str, `ShortStringTooLong` for one beyond 255
    bytes. `pieces` is then as it was.
    """
    if table is None:
        pieces.append(_NO_BYTES)
        return 4
    if not isinstance(table, (dict, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise exceptions.ParameterTypeError(parameter or 'table', table, 'a dict or None')
    start = len(pieces)
    try:
        if isinstance(table, SpoiltTable):
            return _write_spoilt(pieces, table, 1, b'')
        return _write_table(pieces, table, 1, b'')
    except _Refused as refused:
        del pieces[start:]
        raise refused.result(parameter) from None


def encode_value(pieces: list[bytes], value: FieldValue, *, parameter: str = '') -> int:
    """Appends a field value, its kind first, and returns how many bytes.

    `parameter` and the errors are those of `encode_table`.
    """
    start = len(pieces)
    try:
        return _writer_of(pieces, value)(pieces, value, 1)
    except _Refused as refused:
        del pieces[start:]
        raise refused.result(parameter) from None


def _value_error(value: object, allowed: str) -> _Refused:
    return _Refused(lambda path: exceptions.ParameterValueError(path, value, allowed))


def _key_not_str(key: object) -> _Refused:
    return _Refused(lambda path: exceptions.ParameterTypeError(path, key, 'a str as the key'))


def _key_too_long(name: bytes) -> _Refused:
    return _Refused(lambda path: exceptions.ShortStringTooLong(name, parameter=path))


def _writer_of(pieces: list[bytes], value: object) -> _Writer:
    for ancestor in type(value).__mro__:
        writer = _WRITERS.get(ancestor)
        if writer is not None:
            return writer
    if isinstance(value, Mapping):
        return _write_table
    if isinstance(value, Sequence):
        return _write_array
    raise _Refused(
        lambda path: exceptions.UnsupportedAMQPFieldException(pieces, value, parameter=path))


def _write_table(pieces: list[bytes],
                 table: Mapping[str, FieldValue],
                 level: int,
                 kind: bytes = b'F') -> int:
    if level > MAX_DEPTH:
        raise _value_error(table, _DEPTH_ALLOWED)
    place = len(pieces)
    append = pieces.append
    append(b'')
    writer_for = _WRITERS.get
    level += 1
    size = 0
    key = ''
    try:
        for key, value in table.items():
            if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise _key_not_str(key)
            name = key.encode('utf-8', 'surrogateescape')
            length = len(name)
            if length > 255:
                raise _key_too_long(name)
            append(_OCTETS[length])
            append(name)
            size += length + 1 + (writer_for(type(value)) or _writer_of(pieces, value))(
                pieces, value, level)
    except _Refused as refused:
        refused.under(key)
        raise
    except UnicodeEncodeError:
        raise _value_error(key, 'a key that UTF-8 can hold').under(ascii(key)) from None
    head = kind + _pack_size(size)
    pieces[place] = head
    return len(head) + size


def _write_spoilt(pieces: list[bytes], table: SpoiltTable, level: int, kind: bytes = b'F') -> int:
    head = kind + _pack_size(len(table.raw))
    pieces.append(head)
    pieces.append(table.raw)
    return len(head) + len(table.raw)


def _write_array(pieces: list[bytes], array: Sequence[FieldValue], level: int) -> int:
    if level > MAX_DEPTH:
        raise _value_error(array, _DEPTH_ALLOWED)
    place = len(pieces)
    pieces.append(b'')
    size = index = 0
    try:
        for value in array:
            size += (_WRITERS.get(type(value)) or _writer_of(pieces, value))(pieces, value,
                                                                             level + 1)
            index += 1
    except _Refused as refused:
        refused.under(index, '[{}]')
        raise
    pieces[place] = _pack_kind_size(b'A', size)
    return size + 5


def _write_str(pieces: list[bytes], value: str, level: int) -> int:
    try:
        encoded = value.encode('utf-8', 'surrogateescape')
    except UnicodeEncodeError:
        raise _value_error(value, 'text that UTF-8 can hold') from None
    size = len(encoded)
    pieces.append(_pack_kind_size(b'S', size))
    pieces.append(encoded)
    return size + 5


def _write_bytes(pieces: list[bytes], value: bytes | bytearray | memoryview, level: int) -> int:
    data = bytes(value)  # copied unless it is bytes: the owner of anything else may change it
    pieces.append(_pack_kind_size(b'x', len(data)))
    pieces.append(data)
    return len(data) + 5


def _write_none(pieces: list[bytes], value: None, level: int) -> int:
    pieces.append(b'V')
    return 1


def _write_int(pieces: list[bytes], value: int, level: int) -> int:
    if -0x80000000 <= value <= 0x7fffffff:
        pieces.append(_pack_int32(b'I', value))
        return 5
    return _write_int64(pieces, value, level)


def _write_decimal(pieces: list[bytes], value: Decimal, level: int) -> int:
    """Rule 38: a scale of 0 to 255 and a signed 32-bit number, by the errata.

    The exponent is kept, so 1.50 stays 1.50; only zeros at the end that do not fit are dropped.
    """
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and abs(exponent) < 600 and len(digits) < 300:
        number = int(''.join(map(str, digits))) * 10**max(exponent, 0)
        scale = max(-exponent, 0)
        while scale and number % 10 == 0 and (number > 0x7fffffff or scale > 255):
            number //= 10
            scale -= 1
        number = -number if sign else number
        if scale <= 255 and -0x80000000 <= number <= 0x7fffffff:
            pieces.append(_pack_decimal(b'D', scale, number))
            return 6
    raise _value_error(value, 'a finite number of 32 signed bits with at most 255 places')


def _write_datetime(pieces: list[bytes], value: datetime, level: int) -> int:
    """Rule 39: ``T`` is whole seconds: microseconds are dropped. Before 1970 pass a `Timestamp`."""
    if value.utcoffset() is None:
        value = value.replace(tzinfo=timezone.utc)
    since = value - _EPOCH
    if since.days < 0:
        raise _value_error(value, 'a time from 1970 on (a Timestamp holds a negative number)')
    return _write_timestamp(pieces, since.days * 86400 + since.seconds, level)


def _fixed_writer(kind: bytes, code: str, allowed: str) -> _Writer:
    """A writer of one kind with a fixed size; `code` is that of the struct module."""
    structure = Struct('>c' + code)
    pack, size = structure.pack, structure.size

    def write(pieces: list[bytes], value: Any, level: int) -> int:
        try:
            pieces.append(pack(kind, value))
        except (StructError, OverflowError):
            raise _value_error(value, allowed) from None
        return size

    return write


_write_int64 = _fixed_writer(b'l', 'q', '-2**63 to 2**63 - 1')
_write_timestamp = _fixed_writer(b'T', 'q', '-2**63 to 2**63 - 1')

_WRITERS: dict[type, _Writer] = {
    str: _write_str,
    bytes: _write_bytes,
    bytearray: _write_bytes,
    memoryview: _write_bytes,
    bool: _fixed_writer(b't', '?', 'a bool'),
    int: _write_int,
    float: _fixed_writer(b'd', 'd', 'a float'),
    Decimal: _write_decimal,
    datetime: _write_datetime,
    dict: _write_table,
    SpoiltTable: _write_spoilt,
    list: _write_array,
    tuple: _write_array,
    type(None): _write_none,
    Int8: _fixed_writer(b'b', 'b', '-128 to 127'),
    UInt8: _fixed_writer(b'B', 'B', '0 to 255'),
    Int16: _fixed_writer(b's', 'h', '-32768 to 32767'),
    UInt16: _fixed_writer(b'u', 'H', '0 to 65535'),
    UInt32: _fixed_writer(b'i', 'I', '0 to 2**32 - 1'),
    Int64: _write_int64,
    Timestamp: _write_timestamp,
    Float32: _fixed_writer(b'f', 'f', 'a float of 32 bits'),
}

# Decoding


def decode_short_string(encoded: bytes, offset: int) -> tuple[str, int]:
    """Returns the short string at `offset` of the bytes and the offset behind it.

    Rule 40: octets that are not UTF-8 become surrogate escapes, which encode to the same octets
    again. `ProtocolSyntaxError` where the bytes end too early.
    """
    end = len(encoded)
    if not 0 <= offset < end:
        raise _truncated('short string', offset, end)
    start = offset + 1
    stop = start + encoded[offset]
    if stop > end:
        raise _truncated('short string', offset, end)
    return encoded[start:stop].decode('utf-8', 'surrogateescape'), stop


def decode_table(encoded: bytes, offset: int) -> tuple[Table, int]:
    """Returns the field table whose length is at `offset` of the bytes, and the offset behind it.

    Of two entries with one key the later counts. `ProtocolSyntaxError` says what is wrong and at
    which offset: a length beyond its container, more than `MAX_DEPTH` levels or `MAX_ENTRIES`
    entries; an unknown kind is its subclass `InvalidFieldTypeException`. Lengths are checked before
    anything is allocated.
    """
    return _read_table(encoded, offset, len(encoded), 1)


def decode_headers(encoded: bytes, offset: int) -> tuple[Table, int]:
    """As `decode_table`, but what is wrong inside the table spoils no more than the table.

    Then a `SpoiltTable` comes back. `ProtocolSyntaxError` only where the table itself overruns the
    bytes.
    """
    end = len(encoded)
    table: Table = {}
    try:
        return _read_table(encoded, offset, end, 1, table)
    except ProtocolSyntaxError as error:
        start = offset + 4
        stop = start + _unpack_size(encoded, offset)[0] if 0 <= offset <= end - 4 else end + 1
        if stop > end:
            raise
        # Its traceback would keep the whole buffer.
        return SpoiltTable(table, encoded[start:stop], error.with_traceback(None)), stop


def decode_value(encoded: bytes, offset: int) -> tuple[FieldValue, int]:
    """Returns the field value whose kind is at `offset` of the bytes, and the offset behind it.

    The errors are those of `decode_table`.
    """
    end = len(encoded)
    if not 0 <= offset < end:
        raise _truncated('field value', offset, end)
    value: FieldValue
    value, offset = _READERS[encoded[offset]](encoded, offset + 1, end, 1)
    return value, offset


def _truncated(what: str, offset: int, end: int) -> ProtocolSyntaxError:
    return ProtocolSyntaxError(f'{what} at offset {offset} is cut off by the end at offset {end}')


def _bounds(what: str, encoded: bytes, offset: int, end: int) -> tuple[int, int]:
    """Where the content begins and ends whose four bytes of length stand at `offset`."""
    start = offset + 4
    if offset < 0 or start > end:
        raise _truncated(what, offset, end)
    stop: int = start + _unpack_size(encoded, offset)[0]
    if stop > end:
        raise _truncated(what, offset, end)
    return start, stop


def _read_table(encoded: bytes,
                offset: int,
                end: int,
                level: int,
                table: Table | None = None) -> tuple[Table, int]:
    """Fills `table`, which so has the entries before an error."""
    if level > MAX_DEPTH:
        raise ProtocolSyntaxError(f'table at offset {offset}: {_DEPTH_ALLOWED}')
    offset, end = _bounds('table', encoded, offset, end)
    if table is None:
        table = {}
    readers = _READERS
    level += 1
    for _ in _ENTRIES:
        if offset >= end:
            return table, end
        start = offset + 1
        stop = start + encoded[offset]
        if stop >= end:  # the octet of the kind follows
            raise _truncated('table entry', offset, end)
        key = encoded[start:stop].decode('utf-8', 'surrogateescape')
        table[key], offset = readers[encoded[stop]](encoded, stop + 1, end, level)
    if offset < end:
        raise ProtocolSyntaxError(f'table up to offset {end}: at most {MAX_ENTRIES} entries')
    return table, end


def _read_array(encoded: bytes, offset: int, end: int, level: int) -> tuple[list[FieldValue], int]:
    """Rule 38: the length of an array counts bytes, not elements."""
    if level > MAX_DEPTH:
        raise ProtocolSyntaxError(f'array at offset {offset}: {_DEPTH_ALLOWED}')
    offset, end = _bounds('array', encoded, offset, end)
    array: list[FieldValue] = []
    for _ in _ENTRIES:
        if offset >= end:
            return array, end
        value, offset = _READERS[encoded[offset]](encoded, offset + 1, end, level + 1)
        array.append(value)
    if offset < end:
        raise ProtocolSyntaxError(f'array up to offset {end}: at most {MAX_ENTRIES} entries')
    return array, end


def _read_str(encoded: bytes, offset: int, end: int, level: int) -> tuple[str, int]:
    """Errata 16: a long string promises no encoding, so it must not fail on one."""
    start, stop = _bounds('string', encoded, offset, end)
    return encoded[start:stop].decode('utf-8', 'surrogateescape'), stop


def _read_bytes(encoded: bytes, offset: int, end: int, level: int) -> tuple[bytes, int]:
    start, stop = _bounds('byte array', encoded, offset, end)
    return encoded[start:stop], stop


def _read_int32(encoded: bytes, offset: int, end: int, level: int) -> tuple[int, int]:
    stop = offset + 4
    if stop > end:
        raise _truncated('integer', offset, end)
    return _unpack_int32(encoded, offset)[0], stop


def _read_decimal(encoded: bytes, offset: int, end: int, level: int) -> tuple[Decimal, int]:
    stop = offset + 5
    if stop > end:
        raise _truncated('decimal', offset, end)
    scale, number = _unpack_decimal(encoded, offset)
    return Decimal(f'{number}E-{scale}'), stop  # from text: exact whatever the caller's context


def _read_unknown(encoded: bytes, offset: int, end: int, level: int) -> NoReturn:
    raise exceptions.InvalidFieldTypeException(encoded[offset - 1:offset])


def _to_int64(number: int) -> int:
    return Int64(number) if -0x80000000 <= number <= 0x7fffffff else number


def _to_time(seconds: int) -> datetime | Timestamp:
    """Rule 39: a number that is no date stays a number."""
    return _EPOCH + timedelta(0, seconds) if 0 <= seconds <= _LAST_SECOND else Timestamp(seconds)


def _fixed_reader(what: str, code: str, convert: Callable[[Any], object]) -> _Reader:
    """A reader of one kind with a fixed size; `code` is that of the struct module."""
    structure = Struct('>' + code)
    unpack, size = structure.unpack_from, structure.size

    def read(encoded: bytes, offset: int, end: int, level: int) -> tuple[object, int]:
        stop = offset + size
        if stop > end:
            raise _truncated(what, offset, end)
        return convert(unpack(encoded, offset)[0]), stop

    return read


_KNOWN_READERS: dict[str, _Reader] = {
    'S': _read_str,
    'x': _read_bytes,
    't': _fixed_reader('boolean', '?', bool),  # rule 38: any octet but zero is true
    'I': _read_int32,
    'D': _read_decimal,
    'F': _read_table,
    'A': _read_array,
    'V': lambda encoded, offset, end, level: (None, offset),
    'b': _fixed_reader('integer', 'b', Int8),
    'B': _fixed_reader('integer', 'B', UInt8),
    's': _fixed_reader('integer', 'h', Int16),
    'U': _fixed_reader('integer', 'h', Int16),
    'u': _fixed_reader('integer', 'H', UInt16),
    'i': _fixed_reader('integer', 'I', UInt32),
    'l': _fixed_reader('integer', 'q', _to_int64),
    'L': _fixed_reader('integer', 'q', _to_int64),
    'f': _fixed_reader('float', 'f', Float32),
    'd': _fixed_reader('float', 'd', float),
    'T': _fixed_reader('timestamp', 'q', _to_time),
}
_READERS = [_KNOWN_READERS.get(chr(kind), _read_unknown) for kind in range(256)]
