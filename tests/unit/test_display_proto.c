/* SPDX-License-Identifier: MIT */
/* Messages of the display protocol by themselves: what is one, and how they travel. */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <linux/input.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/ui/display_memory.h"
#include "devices/ui/display_proto.h"
#include "tests/open_fds.h"
#include "vmm/util.h"

#define MANY_FDS 253	/* SCM_MAX_FD, <net/scm.h> of the kernel */

static bool valid(const union display_msg *m, unsigned n_fds, enum display_end from)
{
	return display_msg_valid(m, display_msg_len(m), n_fds, from);
}

static const union display_msg source_hello = { .hello = {
	.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
	.version = DISPLAY_PROTO_VERSION, .n_outputs = 2, .inputs = 5, .width = 640,
	.height = 480, .name = "guest",
} };
static const union display_msg viewer_hello = { .hello = {
	.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
	.version = DISPLAY_PROTO_VERSION, .flags = DISPLAY_HELLO_CONTROL,
} };
static const union display_msg memory = { .scanout = {
	.head.type = DISPLAY_MSG_SCANOUT, .kind = DISPLAY_SCANOUT_MEMORY,
	.fourcc = DRM_FORMAT_XRGB8888, .n_planes = 1, .width = 64, .height = 32,
	.buffer_width = 64, .buffer_height = 32, .strides = { 256 },
} };
static const union display_msg dmabuf = { .scanout = {
	.head.type = DISPLAY_MSG_SCANOUT, .kind = DISPLAY_SCANOUT_DMABUF,
	.flags = DISPLAY_SCANOUT_FLIPPED, .fourcc = DRM_FORMAT_ABGR8888, .n_planes = 2,
	.width = 64, .height = 32, .x = 10, .y = 20, .buffer_width = 100, .buffer_height = 52,
	.modifier = 7, .offsets = { 0, 4096 }, .strides = { 400, 16 },
} };
static const union display_msg input = { .input = {
	.head.type = DISPLAY_MSG_INPUT, .kind = 0, .n = 2,
	.events = { { EV_KEY, KEY_A, 1 }, { EV_SYN, SYN_REPORT, 0 } },
} };

/* What is @base but for one field, and not valid any more. */
#define REFUSED(base, n_fds, from, field, value)                                                   \
	do {                                                                                       \
		union display_msg m_ = (base);                                                     \
		m_.field = (value);                                                                \
		assert_false(display_msg_valid(&m_, display_msg_len(&(base)), n_fds, from));       \
	} while (0)

static void hellos(void **state)
{
	assert_true(valid(&source_hello, 0, DISPLAY_SOURCE));
	assert_true(valid(&viewer_hello, 0, DISPLAY_VIEWER));
	assert_false(valid(&source_hello, 0, DISPLAY_VIEWER));
	assert_false(valid(&viewer_hello, 0, DISPLAY_SOURCE));
	assert_false(valid(&source_hello, 1, DISPLAY_SOURCE));
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.magic, 1);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.version, 2);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.flags, DISPLAY_HELLO_CONTROL);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.n_outputs, 0);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.n_outputs, DISPLAY_MAX_OUTPUTS + 1);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.inputs, 16);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.width, 0);
	REFUSED(source_hello, 0, DISPLAY_SOURCE, hello.height, DISPLAY_MAX_SIZE + 1);
	REFUSED(viewer_hello, 0, DISPLAY_VIEWER, hello.flags, 4);
	REFUSED(viewer_hello, 0, DISPLAY_VIEWER, hello.n_outputs, 1);
	REFUSED(viewer_hello, 0, DISPLAY_VIEWER, hello.inputs, 1);
	REFUSED(viewer_hello, 0, DISPLAY_VIEWER, hello.name[0], 'a');
	REFUSED(viewer_hello, 0, DISPLAY_VIEWER, hello.width, 1);
}

static void case_99_a_name_without_an_end(void **state)
{
	union display_msg m = source_hello;

	memset(m.hello.name, 'n', sizeof(m.hello.name));
	assert_false(valid(&m, 0, DISPLAY_SOURCE));
	m.hello.name[sizeof(m.hello.name) - 1] = 0;
	assert_true(valid(&m, 0, DISPLAY_SOURCE));
}

static void types_directions_and_lengths(void **state)
{
	union display_msg m = { .head = { DISPLAY_MSG_OFF, 15 } };

	assert_true(valid(&m, 0, DISPLAY_SOURCE));
	assert_false(valid(&m, 0, DISPLAY_VIEWER));
	for (size_t len = 0; len < sizeof(m); len++)
		assert_int_equal(display_msg_valid(&m, len, 0, DISPLAY_SOURCE),
				 len == sizeof(m.head));
	for (size_t len = 0; len < sizeof(m); len++)
		assert_int_equal(display_msg_valid(&memory, len, 1, DISPLAY_SOURCE),
				 len == sizeof(m.scanout));
	m.head.output = DISPLAY_MAX_OUTPUTS;
	assert_false(valid(&m, 0, DISPLAY_SOURCE));
	m.head.output = 0;
	m.head.type = 0;
	assert_false(display_msg_valid(&m, sizeof(m.head), 0, DISPLAY_SOURCE));
	m.head.type = DISPLAY_MSG_TYPES;
	assert_false(display_msg_valid(&m, sizeof(m.head), 0, DISPLAY_SOURCE));
	m.head.type = UINT32_MAX;
	assert_false(display_msg_valid(&m, sizeof(m.head), 0, DISPLAY_SOURCE));
}

static void pictures_of_memory(void **state)
{
	assert_true(valid(&memory, 1, DISPLAY_SOURCE));
	assert_false(valid(&memory, 1, DISPLAY_VIEWER));
	assert_false(valid(&memory, 0, DISPLAY_SOURCE));
	assert_false(valid(&memory, 2, DISPLAY_SOURCE));
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.kind, 0);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.kind, 3);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.flags, DISPLAY_SCANOUT_FLIPPED);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.fourcc, DRM_FORMAT_RGB565);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.fourcc, DRM_FORMAT_NV12);
	REFUSED(memory, 2, DISPLAY_SOURCE, scanout.n_planes, 2);
	REFUSED(memory, 0, DISPLAY_SOURCE, scanout.n_planes, 0);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.width, 0);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.height, 0);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.height, DISPLAY_MAX_SIZE + 1);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.x, 1);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.y, 1);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.buffer_width, 65);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.buffer_height, 33);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.modifier, 1);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.strides[0], 255);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.strides[0], 1u << 31);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.strides[3], 256);
	REFUSED(memory, 1, DISPLAY_SOURCE, scanout.offsets[1], 1);
}

static void case_72_pictures_of_dma_bufs(void **state)
{
	assert_true(valid(&dmabuf, 2, DISPLAY_SOURCE));
	assert_false(valid(&dmabuf, 1, DISPLAY_SOURCE));
	assert_false(valid(&dmabuf, 3, DISPLAY_SOURCE));
	REFUSED(dmabuf, 5, DISPLAY_SOURCE, scanout.n_planes, 5);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.flags, 2);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.x, 37);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.y, 21);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.x, UINT32_MAX);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.buffer_width, 0);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.buffer_height, DISPLAY_MAX_SIZE + 1);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.strides[1], 0);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.offsets[1], 1ull << 32);
	REFUSED(dmabuf, 2, DISPLAY_SOURCE, scanout.offsets[2], 1);
}

static void damage(void **state)
{
	const union display_msg m = { .flush = {
		.head.type = DISPLAY_MSG_FLUSH, .width = 1, .height = 1, .serial = 9,
	} };

	assert_true(valid(&m, 0, DISPLAY_SOURCE));
	REFUSED(m, 0, DISPLAY_SOURCE, flush.width, 0);
	REFUSED(m, 0, DISPLAY_SOURCE, flush.height, 0);
	REFUSED(m, 0, DISPLAY_SOURCE, flush.x, UINT32_MAX);
	REFUSED(m, 0, DISPLAY_SOURCE, flush.y, DISPLAY_MAX_SIZE);
	REFUSED(m, 0, DISPLAY_SOURCE, flush.width, UINT32_MAX);
}

static void pointers(void **state)
{
	union display_msg m = { .cursor = {
		.head.type = DISPLAY_MSG_CURSOR, .width = 64, .height = 64, .hot_x = 63,
	} };

	assert_true(valid(&m, 0, DISPLAY_SOURCE));
	assert_int_equal(display_msg_len(&m), sizeof(m.cursor));
	REFUSED(m, 0, DISPLAY_SOURCE, cursor.width, 63);
	REFUSED(m, 0, DISPLAY_SOURCE, cursor.hot_x, 64);
	REFUSED(m, 0, DISPLAY_SOURCE, cursor.hot_y, 64);
	m.cursor.width = 65;
	assert_false(valid(&m, 0, DISPLAY_SOURCE));
	m.cursor.width = m.cursor.height = 1u << 31;
	assert_false(display_msg_valid(&m, offsetof(struct display_msg_cursor, pixels), 0,
				       DISPLAY_SOURCE));
	m.cursor.width = m.cursor.height = m.cursor.hot_x = 0;
	assert_true(valid(&m, 0, DISPLAY_SOURCE));
	m.cursor.width = 1;
	assert_false(valid(&m, 0, DISPLAY_SOURCE));
	m.cursor.width = 0;
	m.cursor.hot_y = 1;
	assert_false(valid(&m, 0, DISPLAY_SOURCE));
}

static void small_ones(void **state)
{
	const union display_msg output = { .output = {
		.head.type = DISPLAY_MSG_OUTPUT, .plugged = 1, .width = 640, .height = 480,
	} };
	const union display_msg configure = { .configure = {
		.head.type = DISPLAY_MSG_CONFIGURE, .width = 640, .height = 480,
	} };
	const union display_msg plug = { .plug = { .head.type = DISPLAY_MSG_PLUG, .on = 1 } };
	const union display_msg control = { .control.head.type = DISPLAY_MSG_CONTROL };
	const union display_msg none = { .head.type = DISPLAY_MSG_NO_DMABUF };

	assert_true(valid(&output, 0, DISPLAY_SOURCE));
	REFUSED(output, 0, DISPLAY_SOURCE, output.plugged, 2);
	REFUSED(output, 0, DISPLAY_SOURCE, output.width, 0);
	REFUSED(output, 0, DISPLAY_SOURCE, output.height, DISPLAY_MAX_SIZE + 1);
	assert_true(valid(&configure, 0, DISPLAY_VIEWER));
	REFUSED(configure, 0, DISPLAY_VIEWER, configure.width, DISPLAY_MAX_SIZE + 1);
	REFUSED(configure, 0, DISPLAY_VIEWER, configure.height, DISPLAY_MAX_SIZE + 1);
	assert_true(valid(&plug, 0, DISPLAY_VIEWER));
	REFUSED(plug, 0, DISPLAY_VIEWER, plug.on, 2);
	assert_true(valid(&control, 0, DISPLAY_VIEWER));
	assert_true(valid(&control, 0, DISPLAY_SOURCE));
	REFUSED(control, 0, DISPLAY_SOURCE, control.on, 2);
	REFUSED(control, 0, DISPLAY_SOURCE, head.output, 1);
	assert_true(valid(&none, 0, DISPLAY_VIEWER));
	REFUSED(none, 0, DISPLAY_VIEWER, head.output, 1);
}

static void input_both_ways(void **state)
{
	union display_msg led = input;

	assert_true(valid(&input, 0, DISPLAY_VIEWER));
	assert_false(valid(&input, 0, DISPLAY_SOURCE));
	REFUSED(input, 0, DISPLAY_VIEWER, head.output, 1);
	REFUSED(input, 0, DISPLAY_VIEWER, input.kind, 4);
	REFUSED(input, 0, DISPLAY_VIEWER, input.n, 1);
	REFUSED(input, 0, DISPLAY_VIEWER, input.n, 0);
	REFUSED(input, 0, DISPLAY_VIEWER, input.n, UINT32_MAX);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].value, 2);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].code, KEY_CNT);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].type, EV_LED);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].type, EV_MSC);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].type, EV_REP);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[0].type, EV_FF);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[1].type, EV_KEY);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[1].code, SYN_DROPPED);
	REFUSED(input, 0, DISPLAY_VIEWER, input.events[1].value, 1);
	led.input.events[0] = (struct display_msg_event){ EV_LED, LED_CAPSL, 1 };
	assert_true(valid(&led, 0, DISPLAY_SOURCE));
	assert_false(valid(&led, 0, DISPLAY_VIEWER));
	REFUSED(led, 0, DISPLAY_SOURCE, input.kind, 1);
	REFUSED(led, 0, DISPLAY_SOURCE, input.events[0].code, LED_CNT);
	led.input.events[0] = (struct display_msg_event){ EV_REL, REL_CNT, 1 };
	assert_false(valid(&led, 0, DISPLAY_VIEWER));
	led.input.events[0] = (struct display_msg_event){ EV_ABS, ABS_CNT, 1 };
	assert_false(valid(&led, 0, DISPLAY_VIEWER));
	led.input.n = DISPLAY_PROTO_MAX_EVENTS + 1;
	assert_false(valid(&led, 0, DISPLAY_VIEWER));
}

/* --- packets -------------------------------------------------------------------- */

static void pair(int socks[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
}

static void a_message_arrives_with_its_descriptors(void **state)
{
	int fds[2] = { memfd_create("a", MFD_CLOEXEC), memfd_create("b", MFD_CLOEXEC) };
	unsigned before = open_fds();
	struct display_packet p;
	int socks[2];

	pair(socks);
	assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_SOURCE), -EAGAIN);
	assert_int_equal(display_proto_send(socks[0], &dmabuf, fds, 2), 0);
	assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_SOURCE), 0);
	assert_memory_equal(&p.msg, &dmabuf, sizeof(dmabuf.scanout));
	assert_int_equal(p.n_fds, 2);
	assert_true(fcntl(p.fds[1], F_GETFD) & FD_CLOEXEC);
	display_packet_drop(&p);
	display_packet_drop(&p);
	close(socks[0]);
	assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_SOURCE), -ECONNRESET);
	assert_int_equal(display_proto_send(socks[1], &memory, fds, 1), -EPIPE);
	close(socks[1]);
	assert_int_equal(open_fds(), before);
	close(fds[0]);
	close(fds[1]);
}

static void send_many(int sock, const void *data, size_t len, unsigned n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MANY_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	int fds[MANY_FDS];

	for (unsigned i = 0; i < n; i++)
		fds[i] = sock;
	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)),
					       .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, n * sizeof(int));
	assert_int_equal(sendmsg(sock, &m, 0), len);
}

static void case_99_descriptors_that_nobody_asked_for_are_closed(void **state)
{
	static const unsigned counts[] = { 1, 2, 4, 5, 6, MANY_FDS };
	unsigned before = open_fds();
	struct display_packet p;
	int socks[2];

	pair(socks);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		send_many(socks[0], &viewer_hello, sizeof(viewer_hello.hello), counts[i]);
		assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_VIEWER), -EPROTO);
		assert_int_equal(p.n_fds, 0);
		assert_int_equal(open_fds(), before + 2);
	}
	/* Too few, too many, right. */
	for (unsigned n = 1; n <= 5; n++) {
		send_many(socks[0], &dmabuf, sizeof(dmabuf.scanout), n);
		assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_SOURCE),
				 n == 2 ? 0 : -EPROTO);
		display_packet_drop(&p);
		assert_int_equal(open_fds(), before + 2);
	}
	/* An empty packet, which looks like the end. */
	send_many(socks[0], "", 0, 3);
	assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_VIEWER), -ECONNRESET);
	assert_int_equal(open_fds(), before + 2);
	close(socks[0]);
	close(socks[1]);
}

static void case_99_more_than_any_message(void **state)
{
	char *big = test_calloc(1, sizeof(union display_msg) + 1);
	struct display_packet p;
	int socks[2];

	pair(socks);
	memcpy(big, &viewer_hello, sizeof(viewer_hello.hello));
	send_many(socks[0], big, sizeof(union display_msg) + 1, 1);
	assert_int_equal(display_proto_recv(socks[1], &p, DISPLAY_VIEWER), -EPROTO);
	close(socks[0]);
	close(socks[1]);
	test_free(big);
}

static void case_99_who_does_not_read_gets_no_more(void **state)
{
	struct display_packet p;
	unsigned n = 0, m = 0;
	int socks[2];

	pair(socks);
	while (display_proto_send(socks[0], &input, NULL, 0) == 0)
		n++;
	assert_true(n > 1);
	assert_int_equal(display_proto_send(socks[0], &input, NULL, 0), -EAGAIN);
	while (display_proto_recv(socks[1], &p, DISPLAY_VIEWER) == 0)
		m++;
	assert_int_equal(n, m);
	close(socks[0]);
	close(socks[1]);
}

/* --- memory --------------------------------------------------------------------- */

static void memory_of_ours_is_read_by_others_and_written_by_us(void **state)
{
	struct display_memory m, other;
	const void *at;
	int fd;

	assert_int_equal(display_memory_create(&m, 10000), 0);
	memset(m.map, 7, 10000);
	assert_int_equal(ftruncate(m.fd, 0), -1);
	assert_int_equal(ftruncate(m.fd, 1 << 20), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0) == MAP_FAILED);
	assert_true(display_memory_read_only(m.fd));
	fd = dup(m.fd);
	assert_int_equal(display_memory_open(&other, fd, 5001, 4000, &at), 0);
	assert_int_equal(((const char *)at)[0], 7);
	assert_int_equal(((const char *)at)[3999], 7);
	display_memory_close(&other);
	display_memory_close(&other);
	display_memory_close(&m);
}

static void case_77_memory_that_could_go_away_is_refused(void **state)
{
	int fd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int file = open("/dev/zero", O_RDWR);
	unsigned before = open_fds();
	struct display_memory m;
	const void *at;

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(display_memory_open(&m, fd, 0, 4096, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, file, 0, 4096, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, -1, 0, 4096, &at), -EPROTO);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(display_memory_open(&m, fd, 0, 0, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, fd, 0, 8193, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, fd, 8192, 1, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, fd, UINT64_MAX, 2, &at), -EPROTO);
	assert_int_equal(display_memory_open(&m, fd, 2, UINT64_MAX, &at), -EPROTO);
	assert_int_equal(open_fds(), before);
	assert_int_equal(display_memory_open(&m, fd, 8191, 1, &at), 0);
	assert_false(display_memory_read_only(fd));
	assert_false(display_memory_read_only(file));
	display_memory_close(&m);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hellos),
		cmocka_unit_test(case_99_a_name_without_an_end),
		cmocka_unit_test(types_directions_and_lengths),
		cmocka_unit_test(pictures_of_memory),
		cmocka_unit_test(case_72_pictures_of_dma_bufs),
		cmocka_unit_test(damage),
		cmocka_unit_test(pointers),
		cmocka_unit_test(small_ones),
		cmocka_unit_test(input_both_ways),
		cmocka_unit_test(a_message_arrives_with_its_descriptors),
		cmocka_unit_test(case_99_descriptors_that_nobody_asked_for_are_closed),
		cmocka_unit_test(case_99_more_than_any_message),
		cmocka_unit_test(case_99_who_does_not_read_gets_no_more),
		cmocka_unit_test(memory_of_ours_is_read_by_others_and_written_by_us),
		cmocka_unit_test(case_77_memory_that_could_go_away_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
