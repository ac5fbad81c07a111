"""The AMQP 0-9-1 protocol of RabbitMQ without I/O, and the callback API on top of it."""

__version__ = '0.1.0'
