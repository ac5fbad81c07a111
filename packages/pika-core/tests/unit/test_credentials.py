"""Credentials: the answers to Connection.Start, and that no password shows anywhere."""

from __future__ import annotations

import copy

import pytest
from pika import spec
from pika.credentials import VALID_TYPES, AMQPlainCredentials, ExternalCredentials, PlainCredentials
from pika.exceptions import ParameterTypeError


def start(mechanisms):
    return spec.Connection.Start(mechanisms=mechanisms)


@pytest.mark.parametrize('mechanisms', [b'PLAIN', b'AMQPLAIN PLAIN', 'EXTERNAL PLAIN', b' PLAIN '])
def test_plain_answers_where_it_is_offered(mechanisms):
    """Rule 8."""
    answer = PlainCredentials('us\xe9r', 'p ss').response_for(start(mechanisms))
    assert answer == ('PLAIN', b'\0us\xc3\xa9r\0p ss')


@pytest.mark.parametrize(('credentials', 'mechanisms'), [
    (PlainCredentials('u', 'p'), b'AMQPLAIN'),
    (PlainCredentials('u', 'p'), b'XPLAIN EXTERNAL'),
    (PlainCredentials('u', 'p'), b'plain'),
    (PlainCredentials('u', 'p'), b''),
    (AMQPlainCredentials('u', 'p'), b'PLAIN'),
    (ExternalCredentials(), b'PLAIN EXTERNALS'),
])
def test_only_whole_words_are_offers(credentials, mechanisms):
    """Rule 8: the list is separated by spaces."""
    assert credentials.response_for(start(mechanisms)) == (None, None)


def test_amqplain_is_a_table_without_its_length():
    """Rule 8: LOGIN and PASSWORD as long strings."""
    answer = AMQPlainCredentials('guest', 'pw').response_for(start(b'PLAIN AMQPLAIN'))
    assert answer == ('AMQPLAIN', b'\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02pw')


def test_external_answers_with_nothing():
    """Rule 8."""
    assert ExternalCredentials().response_for(start(b'EXTERNAL')) == ('EXTERNAL', b'')


@pytest.mark.parametrize('kind', [PlainCredentials, AMQPlainCredentials])
def test_erase_credentials_forgets_both_only_if_asked_to(kind):
    kept, erased = kind('u', 'p'), kind('u', 'p', erase_on_connect=True)
    kept.erase_credentials()
    erased.erase_credentials()
    assert (kept.username, kept.password) == ('u', 'p')
    assert (erased.username, erased.password) == (None, None)
    with pytest.raises(ParameterTypeError, match='credentials.username must be a str'):
        erased.response_for(start(b'PLAIN AMQPLAIN'))


def test_password_of_a_wrong_type_is_refused_and_not_shown():
    with pytest.raises(ParameterTypeError, match='credentials.password') as caught:
        PlainCredentials('u', 271828).response_for(start(b'PLAIN'))
    assert '271828' not in f'{caught.value!r}{vars(caught.value)}{caught.value.args}'


def test_bytes_pass_as_they_are():
    assert PlainCredentials(b'u', b'\xff').response_for(start(b'PLAIN'))[1] == b'\0u\0\xff'


def test_equality_compares_kind_and_values():
    assert PlainCredentials('u', 'p') == PlainCredentials('u', 'p')
    assert PlainCredentials('u', 'p') != PlainCredentials('u', 'q')
    assert PlainCredentials('u', 'p') != PlainCredentials('u', 'p', True)
    assert PlainCredentials('u', 'p') != AMQPlainCredentials('u', 'p')
    assert ExternalCredentials() == ExternalCredentials()
    assert ExternalCredentials() != PlainCredentials('u', 'p')
    assert copy.deepcopy(PlainCredentials('u', 'p')) == PlainCredentials('u', 'p')
    with pytest.raises(TypeError, match='unhashable'):
        hash(PlainCredentials('u', 'p'))


@pytest.mark.parametrize('kind', [PlainCredentials, AMQPlainCredentials])
def test_repr_has_no_password(kind):
    assert repr(kind('me', 'hunter2')) == f"<{kind.__name__} username='me'>"


def test_valid_types_can_be_appended_to():
    assert VALID_TYPES == [PlainCredentials, ExternalCredentials]
