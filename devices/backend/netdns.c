/* SPDX-License-Identifier: MIT */
#include "devices/backend/netdns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/util.h"

#define DNS_HEADER 12		/* RFC 1035, 4.1.1 */
#define DNS_QR 0x80		/* in byte 2: it is an answer */
#define DNS_TC 0x02		/* in byte 2: it is not all of it */
#define ANSWER_MAX 4096		/* what resolvers announce as their buffer (RFC 6891, 6.2.5) */
#define RESOLV_CONF_MAX 4096

/* --- the host's servers ---------------------------------------------------- */

/* An address, perhaps with "%eth0" behind it. */
static bool parse_server(union netaddr *addr, char *text, uint16_t port)
{
	char *zone = strchr(text, '%');
	bool v6 = strchr(text, ':');

	if (zone)
		*zone++ = '\0';
	netaddr_init(addr, v6);
	addr->in.sin_port = htons(port);
	if (!v6)
		return inet_pton(AF_INET, text, &addr->in.sin_addr) == 1;
	addr->in6.sin6_scope_id = zone ? if_nametoindex(zone) : 0;
	return inet_pton(AF_INET6, text, &addr->in6.sin6_addr) == 1;
}

unsigned netdns_parse_servers(union netaddr servers[NETDNS_MAX_SERVERS], const char *text,
			      uint16_t port)
{
	unsigned n = 0;

	for (; n < NETDNS_MAX_SERVERS && *text; text += strcspn(text, "\n"), text += *text == '\n') {
		char word[64];

		if (sscanf(text, "nameserver%*[ \t]%63[^ \t\r\n#;]", word) == 1 &&
		    parse_server(&servers[n], word, port))
			n++;
	}
	if (!n)
		n = parse_server(&servers[0], (char[]){ "127.0.0.1" }, port);
	return n;
}

static unsigned read_servers(const struct netdns *dns, union netaddr servers[NETDNS_MAX_SERVERS])
{
	int fd = open(dns->resolv_conf, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[RESOLV_CONF_MAX + 1];
	ssize_t len = 0;

	if (fd >= 0) {
		len = read(fd, text, RESOLV_CONF_MAX);
		close(fd);
	}
	text[MAX(len, (ssize_t)0)] = '\0';
	return netdns_parse_servers(servers, text, dns->port);
}

/* --- one query ------------------------------------------------------------- */

size_t netdns_question_len(const uint8_t *query, size_t len)
{
	size_t at = DNS_HEADER;

	if (len < DNS_HEADER || query[2] & DNS_QR || query[4] || query[5] != 1)
		return 0;
	/* Labels; nothing to point back to yet. */
	while (at < len && query[at]) {
		if (query[at] > 63)
			return 0;
		at += 1 + query[at];
	}
	at += 1 + 4;
	return at <= len && at <= NETDNS_QUESTION_MAX ? at : 0;
}

static void query_close(struct netdns_query *q)
{
	if (q->fd < 0)
		return;
	loop_remove(q->dns->loop, &q->src);
	close(q->fd);
	q->fd = -1;
}

static void query_ready(void *arg, uint32_t events);

/* Asks one server. 0 or negative errno, and then without a socket. */
static int query_send_to(struct netdns_query *q, const union netaddr *server,
			 const uint8_t *data, size_t len)
{
	int ret;

	q->fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return -errno;
	ret = loop_add(q->dns->loop, &q->src, q->fd, EPOLLIN, query_ready, q);
	if (ret == 0 && (connect(q->fd, &server->sa, netaddr_len(server)) < 0 ||
			 send(q->fd, data, len, 0) < 0))
		ret = -errno;
	if (ret < 0)
		query_close(q);
	return ret;
}

/* Asks the next server, in turn; one that cannot be reached is passed over. */
static void query_send(struct netdns_query *q, const uint8_t *data, size_t len)
{
	union netaddr servers[NETDNS_MAX_SERVERS];
	unsigned n = read_servers(q->dns, servers);

	query_close(q);
	for (unsigned i = 0; i < n && q->fd < 0; i++)
		query_send_to(q, &servers[q->tried++ % n], data, len);
}

/* Too long for a frame: the question, with TC, for it to be asked by TCP (RFC 1035, 4.2.1). */
static size_t truncate_answer(const struct netdns_query *q, uint8_t *data)
{
	data[2] |= DNS_TC;
	memset(data + 4, 0, 8);
	data[5] = 1;
	memcpy(data + DNS_HEADER, q->question + DNS_HEADER, q->question_len - DNS_HEADER);
	return q->question_len;
}

static void query_answer(struct netdns_query *q, uint8_t *frame, size_t head, size_t len)
{
	struct netdns *dns = q->dns;

	if (len > ANSWER_MAX || head + len > dns->max_frame)
		len = truncate_answer(q, frame + head);
	len = netframe_make_udp(frame, len, q->our_mac, q->guest_mac, &q->ours, &q->guest);
	query_close(q);
	dns->answer(dns->ctx, frame, len);
}

static void query_ready(void *arg, uint32_t events)
{
	struct netdns_query *q = arg;
	size_t head = q->guest.sa.sa_family == AF_INET6 ? NETFRAME_UDP6_HEAD : NETFRAME_UDP4_HEAD;
	uint8_t frame[NETFRAME_UDP6_HEAD + ANSWER_MAX], *data = frame + head;
	ssize_t len = recv(q->fd, data, ANSWER_MAX, MSG_TRUNC);

	if (len < 0 && errno == EAGAIN)
		return;
	/* Refused: the guest will ask again, and then another server. */
	if (len < 0) {
		query_close(q);
		return;
	}
	if (len >= DNS_HEADER && data[2] & DNS_QR && load_le(data, 2) == q->id)
		query_answer(q, frame, head, len);
}

/* --- all queries ----------------------------------------------------------- */

static bool same_addr(const union netaddr *a, const union netaddr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void forget_old_queries(struct netdns *dns)
{
	uint64_t now = loop_now_ns();

	for (unsigned i = 0; i < NETDNS_MAX_QUERIES; i++)
		if (now - dns->queries[i].started_ns > NETDNS_TIMEOUT_S * 1000000000ull) {
			query_close(&dns->queries[i]);
			dns->queries[i].question_len = 0;
		}
}

/* The one that the guest repeats, so that another server is asked; else the oldest. */
static struct netdns_query *find_query(struct netdns *dns, const struct netframe *f, uint16_t id)
{
	struct netdns_query *oldest = &dns->queries[0];

	forget_old_queries(dns);
	for (unsigned i = 0; i < NETDNS_MAX_QUERIES; i++) {
		struct netdns_query *q = &dns->queries[i];

		if (q->question_len && q->id == id && same_addr(&q->guest, &f->src))
			return q;
		if (q->started_ns < oldest->started_ns)
			oldest = q;
	}
	query_close(oldest);
	oldest->tried = 0;
	return oldest;
}

void netdns_ask(struct netdns *dns, const uint8_t *frame, const struct netframe *f)
{
	const uint8_t *data = frame + f->data;
	size_t len = f->end - f->data, question = netdns_question_len(data, len);
	struct netdns_query *q;

	if (!question)
		return;
	q = find_query(dns, f, load_le(data, 2));
	q->started_ns = loop_now_ns();
	q->id = load_le(data, 2);
	q->guest = f->src;
	q->ours = f->dst;
	memcpy(q->guest_mac, frame + 6, sizeof(q->guest_mac));
	memcpy(q->our_mac, frame, sizeof(q->our_mac));
	memcpy(q->question, data, question);
	q->question_len = question;
	query_send(q, data, len);
}

void netdns_init(struct netdns *dns, struct loop *loop, const char *resolv_conf, uint16_t port,
		 size_t max_frame, void (*answer)(void *ctx, const uint8_t *frame, size_t len),
		 void *ctx)
{
	*dns = (struct netdns){
		.loop = loop,
		.resolv_conf = resolv_conf,
		.port = port,
		.max_frame = max_frame,
		.answer = answer,
		.ctx = ctx,
	};
	for (unsigned i = 0; i < NETDNS_MAX_QUERIES; i++) {
		dns->queries[i].dns = dns;
		dns->queries[i].fd = -1;
	}
}

void netdns_finish(struct netdns *dns)
{
	for (unsigned i = 0; i < NETDNS_MAX_QUERIES; i++)
		query_close(&dns->queries[i]);
}
