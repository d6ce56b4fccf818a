/* SPDX-License-Identifier: MIT */
/* Words between a process and who started it; the connections are in test_seat. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/handover.h"
#include "vmm/util.h"

struct t {
	struct loop *loop;
	struct handover h;
	int port;	/* of who gives */
	int taken;
};

static void take(void *ctx, int fd)
{
	struct t *t = ctx;

	t->taken = fd;
}

static int setup(void **state)
{
	static struct t t;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(loop_create(&t.loop), 0);
	assert_int_equal(handover_init(&t.h, t.loop, pair[1], take, &t), 0);
	t.port = pair[0];
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	handover_finish(&t->h);
	close(t->port);
	loop_destroy(t->loop);
	return 0;
}

static void word_arrives(void **state)
{
	struct t *t = *state;

	assert_int_equal(handover_hear(t->port), 0);
	assert_int_equal(handover_tell(&t->h, 'a'), 0);
	assert_int_equal(handover_tell(&t->h, (char)0xff), 0);
	assert_int_equal(handover_hear(t->port), 'a');
	assert_int_equal(handover_hear(t->port), 0xff);
	assert_int_equal(handover_hear(t->port), 0);
}

static void words_to_nobody_are_errors(void **state)
{
	struct t *t = *state;

	close(t->port);
	assert_true(handover_tell(&t->h, 'a') < 0);
	loop_run_once(t->loop, 10);
	assert_int_equal(t->taken, -1);
	assert_int_equal(handover_tell(&t->h, 'a'), -ENOTCONN);
	t->port = -1;
}

static void case_72_process_that_died_is_an_error(void **state)
{
	struct t *t = *state;

	handover_finish(&t->h);
	assert_true(handover_hear(t->port) < 0);
	assert_int_equal(handover_tell(&t->h, 'a'), -ENOTCONN);
}

static void case_72_what_is_no_word_is_none(void **state)
{
	static const char text[5000] = "aa";
	struct t *t = *state;

	assert_int_equal(send(t->h.port.fd, text, 2, 0), 2);
	assert_int_equal(send(t->h.port.fd, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(send(t->h.port.fd, text, 1, 0), 1);
	assert_int_equal(handover_hear(t->port), 0);
	assert_int_equal(handover_hear(t->port), 0);
	assert_int_equal(handover_hear(t->port), 'a');
	/* An empty one looks like the end, and is it: who sends it has nothing to say. */
	assert_int_equal(send(t->h.port.fd, text, 0, 0), 0);
	assert_true(handover_hear(t->port) < 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void case_72_descriptors_with_words_are_closed(void **state)
{
	struct t *t = *state;
	unsigned before = open_fds();

	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(handover_send(t->h.port.fd, STDIN_FILENO), 0);
		assert_int_equal(handover_hear(t->port), 'c');
	}
	assert_int_equal(open_fds(), before);
}

static void case_72_words_without_end_wait_for_nobody(void **state)
{
	struct t *t = *state;
	unsigned n = 0;
	int ret;

	while ((ret = handover_tell(&t->h, 'a')) == 0)
		assert_true(n++ < 1000000);
	assert_int_equal(ret, -EAGAIN);
	assert_int_equal(handover_hear(t->port), 'a');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(word_arrives),
		TEST(words_to_nobody_are_errors),
		TEST(case_72_process_that_died_is_an_error),
		TEST(case_72_what_is_no_word_is_none),
		TEST(case_72_descriptors_with_words_are_closed),
		TEST(case_72_words_without_end_wait_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
