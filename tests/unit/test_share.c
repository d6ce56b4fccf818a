/* SPDX-License-Identifier: MIT */
/* --share with whatever virtiofsd this host has, as a driver sees it, and without one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_share_model;

#define REQUESTS 1	/* the queue */

struct t {
	struct vrig r;
	char dir[64];
	const char *tag;	/* "home" */
	struct virtio_device *v;
	uint64_t unique;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	char path[96];
	int fd;

	vrig_init(&t->r, VRIG_PCI_MSIX);
	t->r.racing = true;
	strcpy(t->dir, "/tmp/test-share-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(path, sizeof(path), "%s/file", t->dir);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "contents", 8), 8);
	close(fd);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;
	char path[96];

	if (t->v) {
		vrig_unplug(&t->r);
		virtio_share_model.destroy(t->v);
	}
	vrig_finish(&t->r);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", t->dir, i ? "new" : "file");
		unlink(path);
	}
	rmdir(t->dir);
	free(t);
	return 0;
}

static int create(struct t *t, const char *keys)
{
	struct virtio_env env = { .loop = t->r.fake.loop, .mem = &t->r.fake.mem };
	struct opt_value opts;
	char text[256];
	int ret;

	snprintf(text, sizeof(text), "%s=%s%s", t->tag ? t->tag : "home", t->dir, keys);
	assert_int_equal(opt_value_parse_named(&opts, "--share", text, virtio_share_model.keys), 0);
	ret = virtio_share_model.check("--share", &opts);
	if (ret == 0)
		ret = virtio_share_model.create(&t->v, &env, &opts);
	opt_value_finish(&opts);
	if (ret == 0)
		vrig_plug(&t->r, t->v);
	return ret;
}

/* With a virtiofsd, or the test is skipped: it may be missing, or forbidden here. */
static void start(struct t *t, const char *keys)
{
	if (create(t, keys) < 0)
		skip();
	vdrv_start(&t->r.d, 0);
}

static void assert_refused(struct t *t, const char *keys, const char *why)
{
	struct capture cap;
	int ret;

	capture_begin(&cap, STDERR_FILENO);
	ret = create(t, keys);
	assert_true(capture_end_has(&cap, why));
	assert_true(ret < 0);
}

/* --- FUSE ---------------------------------------------------------------------- */

/* The error that came back; @out_len bytes of the answer in @out. */
static int fuse(struct t *t, uint32_t opcode, uint64_t node, const void *in, uint32_t in_len,
		void *out, uint32_t out_len)
{
	struct vdrv *d = &t->r.d;
	uint64_t heap = d->heap, gpa = vdrv_alloc(d, 4096, 16), answer = gpa + 2048;
	struct fuse_in_header head = {
		.len = sizeof(head) + in_len,
		.opcode = opcode,
		.unique = ++t->unique,
		.nodeid = node,
	};
	struct fuse_out_header reply;
	struct vdrv_buf bufs[] = {
		VDRV_OUT(gpa, head.len), VDRV_IN(answer, sizeof(reply) + out_len),
	};
	int chain;

	memcpy(vdrv_ptr(d, gpa, sizeof(head)), &head, sizeof(head));
	memcpy(vdrv_ptr(d, gpa + sizeof(head), in_len + 1), in, in_len);
	memset(vdrv_ptr(d, answer, 2048), 0, 2048);
	chain = vdrv_add(&d->rings[REQUESTS], bufs, 2);
	vdrv_kick(d, REQUESTS);
	for (unsigned i = 0; i < 1000 && vdrv_used(&d->rings[REQUESTS], NULL) != chain; i++) {
		assert_true(i < 999);
		loop_run_once(t->r.fake.loop, 10);
	}
	memcpy(&reply, vdrv_ptr(d, answer, sizeof(reply)), sizeof(reply));
	memcpy(out, vdrv_ptr(d, answer + sizeof(reply), out_len), out_len);
	assert_true(reply.unique == t->unique);
	d->heap = heap;
	return reply.error;
}

static int fuse_init(struct t *t)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 1 << 16,
	};
	struct fuse_init_out out;

	return fuse(t, FUSE_INIT, 0, &in, sizeof(in), &out, sizeof(out));
}

static int lookup(struct t *t, const char *name, uint64_t *node)
{
	struct fuse_entry_out out;
	int ret = fuse(t, FUSE_LOOKUP, FUSE_ROOT_ID, name, strlen(name) + 1, &out, sizeof(out));

	*node = out.nodeid;
	return ret;
}

static void assert_contents(struct t *t)
{
	struct fuse_open_out open_out;
	struct fuse_read_in read_in = { .size = 8 };
	char text[9] = "";
	uint64_t node;

	assert_int_equal(fuse_init(t), 0);
	assert_int_equal(lookup(t, "file", &node), 0);
	assert_int_equal(fuse(t, FUSE_OPEN, node, &(struct fuse_open_in){ .flags = O_RDONLY },
			      sizeof(struct fuse_open_in), &open_out, sizeof(open_out)), 0);
	read_in.fh = open_out.fh;
	assert_int_equal(fuse(t, FUSE_READ, node, &read_in, sizeof(read_in), text, 8), 0);
	assert_string_equal(text, "contents");
}

static int make_file(struct t *t, const char *name)
{
	struct {
		struct fuse_create_in head;
		char name[32];
	} in = { .head = { .flags = O_WRONLY | O_CREAT, .mode = S_IFREG | 0644 } };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;

	strcpy(in.name, name);
	return fuse(t, FUSE_CREATE, FUSE_ROOT_ID, &in, sizeof(in.head) + strlen(name) + 1, &out,
		    sizeof(out));
}

/* --- tests ------------------------------------------------------------------------- */

static void directory_can_be_read_and_written(void **state)
{
	struct t *t = *state;

	start(t, "");
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("home", 4));
	assert_int_equal(vdrv_config_read(&t->r.d, 36, 4), 1);
	assert_contents(t);
	assert_int_equal(make_file(t, "new"), 0);
}

static void read_only_directory_cannot_be_written(void **state)
{
	struct t *t = *state;

	start(t, ",ro");
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("home", 4));
	assert_contents(t);
	assert_int_equal(make_file(t, "new"), -EROFS);
}

/* virtiofsd in C knows one FUSE_INIT in its life. */
static void each_driver_starts_afresh(void **state)
{
	struct t *t = *state;

	start(t, "");
	for (unsigned i = 0; i < 3; i++) {
		assert_contents(t);
		vdrv_reset(&t->r.d);
		vdrv_start(&t->r.d, 0);
	}
}

static void what_is_not_there_is_said(void **state)
{
	struct t *t = *state;

	assert_refused(t, "/nonexistent", "No such file");
	assert_refused(t, "/file", "not a directory");
	assert_refused(t, ",virtiofsd=/nonexistent", "install the package");
	t->tag = "1234567890123456789012345678901234567";
	assert_refused(t, "", "up to 36");
}

static void directory_whose_name_virtiofsd_would_take_apart_is_refused(void **state)
{
	struct t *t = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/a,b", t->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(t, "/a,,b", "a comma");
	rmdir(path);
}

static void program_that_ends_at_once_is_an_error(void **state)
{
	assert_refused(*state, ",virtiofsd=/bin/false", "the back end has gone");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(directory_can_be_read_and_written),
		TEST(read_only_directory_cannot_be_written),
		TEST(each_driver_starts_afresh),
		TEST(what_is_not_there_is_said),
		TEST(directory_whose_name_virtiofsd_would_take_apart_is_refused),
		TEST(program_that_ends_at_once_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
