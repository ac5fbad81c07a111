/* rabbitmq-c, the client library in C; see measure.py for what is done.
 *
 *     cc -O2 rabbitmqc.c -o rabbitmqc -lrabbitmq
 */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const char *url;
static double cpu_started, wall_started;

static void check(int fine, const char *what) {
  if (!fine) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
  }
}

static double cpu(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
         (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void start(void) {
  wall_started = wall();
  cpu_started = cpu();
}

static void stop(void) {
  printf("%.9f %.9f\n", cpu() - cpu_started, wall() - wall_started);
}

static void answered(amqp_connection_state_t connection, const char *what) {
  check(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, what);
}

static amqp_connection_state_t open_connection(void) {
  char copy[1024];
  struct amqp_connection_info info;
  snprintf(copy, sizeof copy, "%s", url);
  check(amqp_parse_url(copy, &info) == AMQP_STATUS_OK, "amqp_parse_url");
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  check(amqp_socket_open(socket, info.host, info.port) == 0, "amqp_socket_open");
  check(amqp_login(connection, info.vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, info.user,
                   info.password)
                .reply_type == AMQP_RESPONSE_NORMAL,
        "amqp_login");
  return connection;
}

static void close_connection(amqp_connection_state_t connection) {
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

static void basic_publish(amqp_connection_state_t connection, const char *queue,
                          const amqp_basic_properties_t *properties, amqp_bytes_t body) {
  check(amqp_basic_publish(connection, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0,
                           properties, body) == 0,
        "amqp_basic_publish");
}

static void publish(amqp_connection_state_t connection, int messages, amqp_bytes_t body,
                    const char *option, const char *queue) {
  amqp_basic_properties_t properties;
  amqp_table_entry_t entries[3];
  char trace[32];
  memset(&properties, 0, sizeof properties);
  if (strcmp(option, "none")) {
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG;
    properties.content_type = amqp_cstring_bytes("text/plain");
  }
  if (!strcmp(option, "reused")) {
    properties._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = 1;
  }
  start();
  for (int number = 0; number < messages; number++) {
    if (!strcmp(option, "fresh")) {
      snprintf(trace, sizeof trace, "trace-%d", number);
      entries[0].key = amqp_cstring_bytes("x-trace");
      entries[0].value.kind = AMQP_FIELD_KIND_UTF8;
      entries[0].value.value.bytes = amqp_cstring_bytes(trace);
      entries[1].key = amqp_cstring_bytes("x-number");
      entries[1].value.kind = AMQP_FIELD_KIND_I32;
      entries[1].value.value.i32 = number;
      entries[2].key = amqp_cstring_bytes("x-final");
      entries[2].value.kind = AMQP_FIELD_KIND_BOOLEAN;
      entries[2].value.value.boolean = 1;
      properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG;
      properties.headers.num_entries = 3;
      properties.headers.entries = entries;
    }
    basic_publish(connection, queue, strcmp(option, "none") ? &properties : NULL, body);
  }
  amqp_queue_declare(connection, 1, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
  answered(connection, "amqp_queue_declare");
  stop();
}

static void confirm(amqp_connection_state_t connection, int messages, amqp_bytes_t body,
                    int window, const char *queue) {
  int sent = 0, confirmed = 0;
  amqp_confirm_select(connection, 1);
  answered(connection, "amqp_confirm_select");
  start();
  while (confirmed < messages) {
    while (sent < messages && sent - confirmed < window) {
      basic_publish(connection, queue, NULL, body);
      sent++;
    }
    amqp_frame_t frame;
    check(amqp_simple_wait_frame(connection, &frame) == 0, "amqp_simple_wait_frame");
    check(frame.payload.method.id == AMQP_BASIC_ACK_METHOD, "confirm");
    amqp_basic_ack_t *ack = frame.payload.method.decoded;
    confirmed = ack->multiple ? (int)ack->delivery_tag : confirmed + 1;
    amqp_maybe_release_buffers(connection);
  }
  stop();
}

static void consume(amqp_connection_state_t connection, int messages, int every,
                    const char *queue) {
  amqp_basic_qos(connection, 1, 0, 500, 0);
  answered(connection, "amqp_basic_qos");
  start();
  amqp_basic_consume(connection, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, !every, 0,
                     amqp_empty_table);
  answered(connection, "amqp_basic_consume");
  for (int seen = 1; seen <= messages; seen++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    check(amqp_consume_message(connection, &envelope, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL,
          "amqp_consume_message");
    if (every && seen % every == 0)
      amqp_basic_ack(connection, 1, envelope.delivery_tag, every > 1);
    amqp_destroy_envelope(&envelope);
  }
  stop();
}

static void rpc(amqp_connection_state_t connection, int messages, amqp_bytes_t body,
                const char *queue) {
  amqp_basic_properties_t properties;
  amqp_queue_declare_ok_t *declared =
      amqp_queue_declare(connection, 1, amqp_empty_bytes, 0, 0, 1, 0, amqp_empty_table);
  answered(connection, "amqp_queue_declare");
  amqp_bytes_t reply_to = amqp_bytes_malloc_dup(declared->queue);
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_REPLY_TO_FLAG;
  properties.reply_to = reply_to;
  amqp_basic_consume(connection, 1, reply_to, amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  answered(connection, "amqp_basic_consume");
  start();
  for (int number = 0; number < messages; number++) {
    amqp_envelope_t envelope;
    basic_publish(connection, queue, &properties, body);
    amqp_maybe_release_buffers(connection);
    check(amqp_consume_message(connection, &envelope, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL,
          "amqp_consume_message");
    amqp_destroy_envelope(&envelope);
  }
  stop();
  amqp_bytes_free(reply_to);
}

int main(int count, char **arguments) {
  check(count >= 7, "arguments");
  const char *kind = arguments[1], *option = arguments[4], *queue = arguments[6];
  int messages = atoi(arguments[2]);
  size_t size = strtoul(arguments[3], NULL, 10);
  amqp_bytes_t body = amqp_bytes_malloc(size ? size : 1);
  body.len = size;
  memset(body.bytes, 'x', size);
  url = arguments[5];
  if (!strcmp(kind, "connect")) {
    start();
    for (int number = 0; number < messages; number++)
      close_connection(open_connection());
    stop();
    return 0;
  }
  amqp_connection_state_t connection = open_connection();
  amqp_channel_open(connection, 1);
  answered(connection, "amqp_channel_open");
  if (!strcmp(kind, "publish"))
    publish(connection, messages, body, option, queue);
  else if (!strcmp(kind, "confirm"))
    confirm(connection, messages, body, atoi(option), queue);
  else if (!strcmp(kind, "consume"))
    consume(connection, messages, atoi(option), queue);
  else if (!strcmp(kind, "rpc"))
    rpc(connection, messages, body, queue);
  else
    check(0, kind);
  close_connection(connection);
  return 0;
}
