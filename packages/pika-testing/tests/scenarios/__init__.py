"""What a broker does, as short programs that note what they see.

Rule: a scenario asserts nothing. It is a function of a `Session` whose docstring says what it is
about; its notes are compared with those of the same scenario on another broker. RabbitMQ's own are
kept in `notes-VERSION.json` beside this file, made by `record.py`.
"""
