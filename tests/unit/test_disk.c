/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/disk_impl.h"
#include "tests/capture.h"
#include "vmm/util.h"

#define SIZE (1u << 20)
#define BLOCK 512u
#define MEM (256u << 10)

struct t {
	enum disk_engine engine;
	struct loop *loop;
	char dir[32], path[64];
	struct disk *disk;
	uint8_t *mem;		/* page aligned */
	unsigned n_done;
	bool in_submit;
	struct disk_request *last;
};

/* --- the rig --------------------------------------------------------------------- */

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	t->engine = *(const enum disk_engine *)*state;
	strcpy(t->dir, "/tmp/test_disk.XXXXXX");
	if (!mkdtemp(t->dir) || loop_create(&t->loop) < 0)
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/a.img", t->dir);
	t->mem = aligned_alloc(4096, MEM);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	disk_close(t->disk);
	loop_destroy(t->loop);
	unlink(t->path);
	rmdir(t->dir);
	free(t->mem);
	free(t);
	return 0;
}

static void done(void *arg, struct disk_request *batch)
{
	struct t *t = arg;

	assert_false(t->in_submit);
	for (; batch; batch = batch->next) {
		t->n_done++;
		t->last = batch;
	}
}

/* Byte @i of the image as make_image() writes it. */
static uint8_t pattern(uint64_t i)
{
	return i / BLOCK * 31 + i % 251;
}

static void make_image(struct t *t, size_t size)
{
	int fd = open(t->path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	uint8_t *p = malloc(size ? size : 1);

	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i++)
		p[i] = pattern(i);
	assert_int_equal(write(fd, p, size), size);
	close(fd);
	free(p);
}

static int open_path(struct t *t, const char *path, bool readonly, enum disk_cache cache)
{
	const struct disk_params p = {
		.path = path, .readonly = readonly, .cache = cache, .engine = t->engine,
	};
	int ret = disk_open(&t->disk, t->loop, &p);

	if (ret == 0)
		disk_attach(t->disk, done, t);
	else
		t->disk = NULL;
	return ret;
}

static void start(struct t *t)
{
	make_image(t, SIZE);
	assert_int_equal(open_path(t, t->path, false, DISK_WRITEBACK), 0);
}

/* Opens @path, which must fail with @error and one line that has @words. */
static void assert_refused(struct t *t, const char *path, bool readonly, int error,
			   const char *words)
{
	struct capture c;
	char *text;
	int ret;

	capture_begin(&c, 2);
	ret = open_path(t, path, readonly, DISK_WRITEBACK);
	text = capture_end(&c);
	assert_int_equal(ret, error);
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, words));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void submit(struct t *t, struct disk_request *req)
{
	t->in_submit = true;
	disk_submit(t->disk, req);
	t->in_submit = false;
}

static void commit(struct t *t)
{
	t->in_submit = true;
	disk_commit(t->disk);
	t->in_submit = false;
}

/* From start to end by the loop alone. */
static int run(struct t *t, struct disk_request *req)
{
	unsigned before = t->n_done;

	submit(t, req);
	commit(t);
	while (t->n_done == before)
		loop_run_once(t->loop, 1000);
	assert_int_equal(t->n_done, before + 1);
	assert_ptr_equal(t->last, req);
	return req->ret;
}

static int rw(struct t *t, enum disk_op op, uint64_t off, void *mem, size_t len)
{
	struct iovec v = { mem, len };
	struct disk_request req = { .op = op, .off = off, .len = len, .iov = &v, .n_iov = 1 };

	return run(t, &req);
}

static int range(struct t *t, enum disk_op op, uint64_t off, uint64_t len, bool unmap, bool stable)
{
	struct disk_request req = {
		.op = op, .off = off, .len = len, .unmap = unmap, .stable = stable,
	};

	return run(t, &req);
}

static int flush(struct t *t)
{
	struct disk_request req = { .op = DISK_FLUSH };

	return run(t, &req);
}

static char *run_captured(struct t *t, struct disk_request *req)
{
	struct capture c;

	capture_begin(&c, 2);
	run(t, req);
	return capture_end(&c);
}

/* The image as another program sees it. */
static void read_image(struct t *t, uint64_t off, void *buf, size_t len)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, buf, len, off), len);
	close(fd);
}

static void assert_image(struct t *t, uint64_t off, size_t len, int byte)
{
	uint8_t *p = malloc(len);

	read_image(t, off, p, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], byte < 0 ? pattern(off + i) : byte);
	free(p);
}

static uint64_t image_blocks(struct t *t)
{
	struct stat st;

	assert_int_equal(stat(t->path, &st), 0);
	return st.st_blocks;
}

/* --- opening ----------------------------------------------------------------------- */

static void engine_is_the_one_asked_for(void **state)
{
	struct t *t = *state;

	start(t);
	assert_string_equal(t->disk->ops->name,
			    t->engine == DISK_ENGINE_URING ? "io_uring" : "threads");
	assert_true(disk_info(t->disk)->size == SIZE);
	assert_int_equal(disk_info(t->disk)->block_size, 512);
	assert_false(disk_info(t->disk)->readonly);
	disk_close(NULL);
}

static void missing_file_is_refused(void **state)
{
	struct t *t = *state;

	assert_refused(t, t->path, false, -ENOENT, "No such file");
}

static void directory_and_device_are_refused(void **state)
{
	struct t *t = *state;

	assert_refused(t, t->dir, true, -EINVAL, "neither a regular file nor a block device");
	assert_refused(t, "/dev/null", false, -EINVAL, "neither a regular file");
}

static void pipe_is_refused_without_waiting_for_its_other_end(void **state)
{
	struct t *t = *state;

	assert_int_equal(mkfifo(t->path, 0600), 0);
	assert_refused(t, t->path, true, -EINVAL, "neither a regular file");
	assert_refused(t, t->path, false, -EINVAL, "neither a regular file");
}

static void file_without_a_whole_block_is_refused(void **state)
{
	struct t *t = *state;

	make_image(t, 0);
	assert_refused(t, t->path, false, -EINVAL, "too small");
	make_image(t, 511);
	assert_refused(t, t->path, true, -EINVAL, "too small");
	make_image(t, 512);
	assert_int_equal(open_path(t, t->path, false, DISK_WRITEBACK), 0);
}

static void file_that_may_not_be_written_is_refused_and_ro_is_named(void **state)
{
	struct t *t = *state;
	uid_t uid = geteuid();

	make_image(t, SIZE);
	chmod(t->path, 0444);
	chmod(t->dir, 0755);
	/* Root may write everything. */
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_refused(t, t->path, false, -EACCES, ",ro opens it read-only");
	assert_int_equal(open_path(t, t->path, true, DISK_WRITEBACK), 0);
	assert_int_equal(seteuid(uid), 0);
}

static char *open_captured(struct t *t, enum disk_cache cache)
{
	struct capture c;
	int ret;

	capture_begin(&c, 2);
	ret = open_path(t, t->path, false, cache);
	assert_int_equal(ret, 0);
	return capture_end(&c);
}

static void size_is_rounded_down_with_a_warning(void **state)
{
	struct t *t = *state;
	char *text;

	make_image(t, 4096 + 100);
	text = open_captured(t, DISK_WRITEBACK);
	assert_non_null(strstr(text, "last 100 bytes"));
	assert_true(disk_info(t->disk)->size == 4096);
	free(text);
}

static void qcow2_is_warned_of(void **state)
{
	struct t *t = *state;
	char *text;
	int fd;

	make_image(t, SIZE);
	fd = open(t->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
	close(fd);
	text = open_captured(t, DISK_WRITEBACK);
	assert_non_null(strstr(text, "qcow2"));
	free(text);
}

/* --- locks ------------------------------------------------------------------------- */

static const unsigned lock_bytes[] = { 100, 101, 102, 103, 200, 201, 202, 203 };

static int lock_byte(int fd, int cmd, int type, unsigned byte, struct flock *lock)
{
	*lock = (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1,
	};
	return fcntl(fd, cmd, lock);
}

static void one_image_has_one_writer_or_any_readers(void **state)
{
	struct t *t = *state;
	struct disk *first;

	start(t);
	first = t->disk;
	assert_refused(t, t->path, false, -EBUSY, "in use by another VM; VMs can share");
	assert_refused(t, t->path, true, -EBUSY, "in use by another VM that may write it");
	disk_close(first);
	assert_int_equal(open_path(t, t->path, true, DISK_WRITEBACK), 0);
	first = t->disk;
	assert_refused(t, t->path, false, -EBUSY, "in use");
	assert_int_equal(open_path(t, t->path, true, DISK_WRITEBACK), 0);
	disk_close(first);
	first = t->disk;
	assert_refused(t, t->path, false, -EBUSY, "in use");
	disk_close(first);
	assert_int_equal(open_path(t, t->path, false, DISK_WRITEBACK), 0);
}

/* The bytes that QEMU looks at. */
static void writer_and_reader_hold_the_bytes_that_qemu_would(void **state)
{
	static const bool held[2][ARRAY_SIZE(lock_bytes)] = {
		[false] = { 1, 1, 0, 0, 0, 1, 0, 1 },
		[true] = { 1, 0, 0, 0, 0, 1, 0, 1 },
	};
	struct t *t = *state;

	make_image(t, SIZE);
	for (unsigned ro = 0; ro < 2; ro++) {
		int fd = open(t->path, O_RDWR | O_CLOEXEC);
		struct flock lock;

		assert_int_equal(open_path(t, t->path, ro, DISK_WRITEBACK), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(lock_bytes); i++) {
			assert_int_equal(lock_byte(fd, F_OFD_GETLK, F_WRLCK, lock_bytes[i], &lock), 0);
			assert_int_equal(lock.l_type != F_UNLCK, held[ro][i]);
			/* Always a shared one: nobody is kept from taking his own. */
			assert_int_equal(lock_byte(fd, F_OFD_GETLK, F_RDLCK, lock_bytes[i], &lock), 0);
			assert_int_equal(lock.l_type, F_UNLCK);
		}
		close(fd);
		disk_close(t->disk);
		t->disk = NULL;
	}
}

static void bytes_that_qemu_holds_are_heeded(void **state)
{
	/* Whether a writer, or a reader, gets along with another who holds the byte. */
	static const bool fine[2][ARRAY_SIZE(lock_bytes)] = {
		[false] = { 1, 0, 1, 0, 0, 0, 1, 1 },
		[true] = { 1, 0, 1, 0, 0, 1, 1, 1 },
	};
	struct t *t = *state;

	make_image(t, SIZE);
	for (unsigned ro = 0; ro < 2; ro++) {
		for (unsigned i = 0; i < ARRAY_SIZE(lock_bytes); i++) {
			int fd = open(t->path, O_RDWR | O_CLOEXEC);
			struct flock lock;

			assert_int_equal(lock_byte(fd, F_OFD_SETLK, F_RDLCK, lock_bytes[i], &lock), 0);
			if (fine[ro][i])
				assert_int_equal(open_path(t, t->path, ro, DISK_WRITEBACK), 0);
			else
				assert_refused(t, t->path, ro, -EBUSY, "in use");
			disk_close(t->disk);
			t->disk = NULL;
			close(fd);
		}
	}
}

static void exclusive_lock_of_another_kind_of_program_is_heeded(void **state)
{
	struct t *t = *state;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	make_image(t, SIZE);
	fd = open(t->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_refused(t, t->path, false, -EBUSY, "in use");
	assert_refused(t, t->path, true, -EBUSY, "in use");
	close(fd);
}

/* --- reading and writing ------------------------------------------------------------- */

static void what_is_written_is_in_the_image_and_reads_back(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(rw(t, DISK_READ, 3 * BLOCK, t->mem, 8 * BLOCK), 0);
	for (unsigned i = 0; i < 8 * BLOCK; i++)
		assert_int_equal(t->mem[i], pattern(3 * BLOCK + i));
	memset(t->mem, 0xa5, 4 * BLOCK);
	assert_int_equal(rw(t, DISK_WRITE, 10 * BLOCK, t->mem, 4 * BLOCK), 0);
	assert_image(t, 0, 10 * BLOCK, -1);
	assert_image(t, 10 * BLOCK, 4 * BLOCK, 0xa5);
	assert_image(t, 14 * BLOCK, SIZE - 14 * BLOCK, -1);
	assert_int_equal(flush(t), 0);
	memset(t->mem, 0, MEM);
	assert_int_equal(rw(t, DISK_READ, 9 * BLOCK, t->mem, 2 * BLOCK), 0);
	assert_int_equal(t->mem[BLOCK - 1], pattern(10 * BLOCK - 1));
	assert_int_equal(t->mem[BLOCK], 0xa5);
}

static void vectors_of_any_shape_are_taken_in_their_order(void **state)
{
	struct t *t = *state;
	struct iovec v[] = { { t->mem, 1 }, { t->mem + 5000, 511 }, { t->mem + 9, 700 },
			     { t->mem + 20000, 324 } };
	struct disk_request req = {
		.op = DISK_READ, .off = BLOCK, .len = 3 * BLOCK, .iov = v, .n_iov = ARRAY_SIZE(v),
	};

	start(t);
	assert_int_equal(run(t, &req), 0);
	assert_int_equal(t->mem[0], pattern(BLOCK));
	assert_int_equal(t->mem[5000], pattern(BLOCK + 1));
	assert_int_equal(t->mem[9], pattern(2 * BLOCK));
	assert_int_equal(t->mem[20000 + 323], pattern(4 * BLOCK - 1));
}

static void stable_write_is_done_like_any_other(void **state)
{
	struct t *t = *state;
	struct iovec v = { t->mem, BLOCK };
	struct disk_request req = {
		.op = DISK_WRITE, .stable = true, .len = BLOCK, .iov = &v, .n_iov = 1,
	};

	start(t);
	memset(t->mem, 7, BLOCK);
	assert_int_equal(run(t, &req), 0);
	assert_image(t, 0, BLOCK, 7);
}

static void empty_request_is_done(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(rw(t, DISK_READ, 0, NULL, 0), 0);
	assert_int_equal(rw(t, DISK_WRITE, SIZE, NULL, 0), 0);
	assert_int_equal(range(t, DISK_DISCARD, 0, 0, false, false), 0);
	assert_int_equal(range(t, DISK_ZERO, SIZE, 0, true, false), 0);
}

#define MANY 1000

static void many_requests_at_once_all_come_back(void **state)
{
	struct t *t = *state;
	struct disk_request *reqs = calloc(MANY, sizeof(*reqs));
	struct iovec *v = calloc(MANY, sizeof(*v));

	start(t);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned off = i * 7919 % (SIZE / BLOCK) * BLOCK;

		v[i] = (struct iovec){ t->mem + i % (MEM / BLOCK) * BLOCK, BLOCK };
		/* Reads of a part that no write touches: the image's first half. */
		reqs[i] = (struct disk_request){
			.op = i % 5 == 4 ? DISK_FLUSH : i % 2 ? DISK_WRITE : DISK_READ,
			.off = i % 2 ? SIZE / 2 + off / 2 / BLOCK * BLOCK : off / 2 / BLOCK * BLOCK,
			.len = BLOCK, .iov = &v[i], .n_iov = 1,
		};
		submit(t, &reqs[i]);
		if (i % 100 == 99)
			commit(t);
	}
	while (t->n_done < MANY)
		loop_run_once(t->loop, 1000);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(reqs[i].ret, 0);
	assert_int_equal(t->n_done, MANY);
	assert_image(t, 0, SIZE / 2, -1);
	free(reqs);
	free(v);
}

static void drain_gives_back_all_that_is_in_flight(void **state)
{
	struct t *t = *state;
	struct disk_request reqs[300];
	struct iovec v[300];

	start(t);
	for (unsigned i = 0; i < 300; i++) {
		v[i] = (struct iovec){ t->mem, BLOCK };
		reqs[i] = (struct disk_request){
			.op = DISK_READ, .len = BLOCK, .iov = &v[i], .n_iov = 1,
		};
		submit(t, &reqs[i]);
	}
	/* Not even committed. */
	disk_drain(t->disk);
	assert_int_equal(t->n_done, 300);
	disk_drain(t->disk);
	assert_int_equal(t->n_done, 300);
	loop_run_once(t->loop, 0);
	assert_int_equal(t->n_done, 300);
}

static void close_gives_back_all_that_is_in_flight(void **state)
{
	struct t *t = *state;
	struct iovec v = { t->mem, BLOCK };
	struct disk_request write = { .op = DISK_WRITE, .len = BLOCK, .iov = &v, .n_iov = 1 };
	struct disk_request zero = { .op = DISK_ZERO, .off = 8 * BLOCK, .len = BLOCK };

	start(t);
	memset(t->mem, 9, BLOCK);
	submit(t, &write);
	submit(t, &zero);
	commit(t);
	disk_close(t->disk);
	t->disk = NULL;
	assert_int_equal(t->n_done, 2);
	assert_image(t, 0, BLOCK, 9);
	assert_image(t, 8 * BLOCK, BLOCK, 0);
}

/* --- refusals ---------------------------------------------------------------------- */

static void request_outside_or_between_blocks_is_refused(void **state)
{
	static const struct { uint64_t off, len; } bad[] = {
		{ SIZE, BLOCK }, { SIZE - BLOCK, 2 * BLOCK }, { UINT64_MAX - BLOCK + 1, BLOCK },
		{ 0, UINT64_MAX - BLOCK + 1 }, { BLOCK, UINT64_MAX - BLOCK + 1 }, { 1, BLOCK },
		{ 0, BLOCK + 1 }, { BLOCK / 2, BLOCK }, { 1ull << 63, BLOCK }, { SIZE + BLOCK, 0 },
	};
	struct t *t = *state;

	start(t);
	for (unsigned op = 0; op < 5; op++) {
		for (unsigned i = 0; i < ARRAY_SIZE(bad) && op != DISK_FLUSH; i++) {
			struct iovec v = { t->mem, BLOCK };
			struct disk_request req = {
				.op = op, .off = bad[i].off, .len = bad[i].len, .iov = &v, .n_iov = 1,
			};

			free(run_captured(t, &req));
			assert_int_equal(req.ret, -EINVAL);
		}
	}
	assert_image(t, 0, SIZE, -1);
}

static void read_only_disk_refuses_whatever_writes(void **state)
{
	struct t *t = *state;
	struct disk_request discard = { .op = DISK_DISCARD, .len = SIZE };
	struct disk_request zero = { .op = DISK_ZERO, .len = SIZE, .unmap = true };
	struct iovec v = { t->mem, BLOCK };
	struct disk_request write = { .op = DISK_WRITE, .len = BLOCK, .iov = &v, .n_iov = 1 };
	struct disk_request *reqs[] = { &discard, &zero, &write };

	make_image(t, SIZE);
	assert_int_equal(open_path(t, t->path, true, DISK_WRITEBACK), 0);
	assert_true(disk_info(t->disk)->readonly);
	assert_int_equal(disk_info(t->disk)->discard_granularity, 0);
	assert_int_equal(fcntl(t->disk->file.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	for (unsigned i = 0; i < ARRAY_SIZE(reqs); i++) {
		free(run_captured(t, reqs[i]));
		assert_int_equal(reqs[i]->ret, -EROFS);
	}
	assert_int_equal(rw(t, DISK_READ, 0, t->mem, BLOCK), 0);
	assert_int_equal(flush(t), 0);
	assert_image(t, 0, SIZE, -1);
}

/* --- discarding and zeroing ----------------------------------------------------------- */

static void discard_gives_room_back(void **state)
{
	struct t *t = *state;
	uint64_t before;

	start(t);
	assert_int_equal(flush(t), 0);
	if (!disk_info(t->disk)->discard_granularity) {
		print_message("skipped: the file system of /tmp punches no holes\n");
		skip();
	}
	before = image_blocks(t);
	assert_int_equal(range(t, DISK_DISCARD, SIZE / 4, SIZE / 2, false, false), 0);
	assert_true(image_blocks(t) <= before - SIZE / 4 / 512);
	assert_image(t, 0, SIZE / 4, -1);
	assert_image(t, SIZE / 4, SIZE / 2, 0);
	assert_image(t, SIZE * 3 / 4, SIZE / 4, -1);
	/* Of the size it had. */
	assert_true(disk_info(t->disk)->size == SIZE);
}

static void zeroes_are_zeroes_unmapped_or_not(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 4; i++) {
		unsigned off = (1 + 100 * i) * BLOCK;

		assert_int_equal(range(t, DISK_ZERO, off, 37 * BLOCK, i & 1, i & 2), 0);
		assert_image(t, off - BLOCK, BLOCK, -1);
		assert_image(t, off, 37 * BLOCK, 0);
		assert_image(t, off + 37 * BLOCK, BLOCK, -1);
	}
}

/* A memfd cannot zero ranges: zeros have to be written. */
static void zeroes_are_written_where_the_file_system_has_none(void **state)
{
	struct t *t = *state;
	int fd = memfd_create("disk", MFD_CLOEXEC);
	uint8_t *p = malloc(SIZE);

	memset(p, 0xee, SIZE);
	assert_int_equal(write(fd, p, SIZE), SIZE);
	snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", fd);
	assert_int_equal(open_path(t, t->path, false, DISK_WRITEBACK), 0);
	assert_int_equal(range(t, DISK_ZERO, BLOCK, SIZE - 2 * BLOCK, false, false), 0);
	assert_int_equal(range(t, DISK_ZERO, 0, BLOCK, false, true), 0);
	assert_int_equal(pread(fd, p, SIZE, 0), SIZE);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(p[i], i < SIZE - BLOCK ? 0 : 0xee);
	free(p);
	close(fd);
}

/* --- direct I/O ------------------------------------------------------------------------ */

static bool start_direct(struct t *t)
{
	char *text;
	bool direct;

	make_image(t, SIZE);
	text = open_captured(t, DISK_NONE);
	direct = t->disk->file.direct;
	assert_int_equal(direct, !strstr(text, "no direct I/O"));
	assert_int_equal(!!(fcntl(t->disk->file.fd, F_GETFL) & O_DIRECT), direct);
	free(text);
	return direct;
}

static void direct_io_or_a_warning_that_there_is_none(void **state)
{
	struct t *t = *state;

	start_direct(t);
	memset(t->mem, 3, 4096);
	assert_int_equal(rw(t, DISK_WRITE, 4096, t->mem, 4096), 0);
	assert_int_equal(rw(t, DISK_READ, 4096, t->mem + 4096, 8192), 0);
	assert_memory_equal(t->mem, t->mem + 4096, 4096);
	assert_int_equal(t->mem[8192], pattern(8192));
	assert_int_equal(flush(t), 0);
}

static void memory_that_direct_io_would_not_take_is_copied(void **state)
{
	struct t *t = *state;
	/* More than the memory that it is copied through. */
	const size_t len = 600 * 1024;
	uint8_t *mem = malloc(len + 100);
	struct iovec v[] = { { mem + 3, 100 }, { mem + 103, len - 100 } };
	struct disk_request req = {
		.op = DISK_WRITE, .off = BLOCK, .len = len, .iov = v, .n_iov = 2,
	};

	if (!start_direct(t)) {
		print_message("skipped: /tmp has no direct I/O\n");
		free(mem);
		skip();
	}
	assert_false(disk_is_aligned(t->disk, &req));
	for (size_t i = 0; i < len; i++)
		mem[3 + i] = i / 1000;
	assert_int_equal(run(t, &req), 0);
	assert_image(t, 0, BLOCK, -1);
	assert_image(t, BLOCK + len, BLOCK, -1);
	memset(mem, 0, len);
	assert_int_equal(rw(t, DISK_READ, BLOCK, mem + 7, len), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(mem[7 + i], (uint8_t)(i / 1000));
	free(mem);
}

static void alignment_is_looked_at_in_every_vector(void **state)
{
	struct t *t = *state;
	struct disk d = { .info.block_size = 512, .file = { .direct = true, .mem_align = 512 } };
	struct iovec v[2] = { { t->mem, 512 }, { t->mem + 1024, 1024 } };
	struct disk_request req = { .iov = v, .n_iov = 2 };

	assert_true(disk_is_aligned(&d, &req));
	v[1].iov_base = t->mem + 1025;
	assert_false(disk_is_aligned(&d, &req));
	v[1] = (struct iovec){ t->mem + 512, 1000 };
	assert_false(disk_is_aligned(&d, &req));
	d.file.direct = false;
	assert_true(disk_is_aligned(&d, &req));
}

/* --- failures of the host ----------------------------------------------------------------- */

static void full_file_system_shows_as_an_error_and_a_line(void **state)
{
	struct t *t = *state;
	struct rlimit old, small = { .rlim_cur = 64 * 1024 };
	struct iovec v = { t->mem, BLOCK };
	struct disk_request req = {
		.op = DISK_WRITE, .off = SIZE - BLOCK, .len = BLOCK, .iov = &v, .n_iov = 1,
	};
	void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
	char *text;

	make_image(t, BLOCK);
	assert_int_equal(truncate(t->path, SIZE), 0);
	assert_int_equal(open_path(t, t->path, false, DISK_WRITEBACK), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	run(t, &req);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, old_handler);
	if (req.ret == 0) {
		/* Some kernels let io_uring's workers forget the limit. */
		print_message("skipped: no limit on files here\n");
		skip();
	}
	assert_int_equal(req.ret, -EFBIG);
	req = (struct disk_request){ .op = DISK_WRITE, .len = BLOCK, .iov = &v, .n_iov = 1 };
	v = (struct iovec){ t->mem, BLOCK };
	text = run_captured(t, &req);
	assert_int_equal(req.ret, 0);
	assert_string_equal(text, "");
	free(text);
}

static void read_behind_the_end_of_a_file_that_shrank_is_an_error(void **state)
{
	struct t *t = *state;
	struct iovec v = { t->mem, 8 * BLOCK };
	struct disk_request req = {
		.op = DISK_READ, .off = 4 * BLOCK, .len = 8 * BLOCK, .iov = &v, .n_iov = 1,
	};
	char *text;

	start(t);
	assert_int_equal(truncate(t->path, 6 * BLOCK + 100), 0);
	text = run_captured(t, &req);
	assert_int_equal(req.ret, -EIO);
	assert_non_null(strstr(text, t->path));
	assert_non_null(strstr(text, "reading"));
	free(text);
}

/* A disk on any descriptor at all. */
static void start_on(struct t *t, int fd)
{
	const struct disk_file file = { .fd = fd, .path = strdup("odd.img") };
	const struct disk_info info = { .size = SIZE, .block_size = BLOCK };

	assert_int_equal(disk_create(&t->disk, t->loop, t->engine == DISK_ENGINE_URING ?
				     &disk_uring_ops : &disk_threads_ops, NULL, &file, &info), 0);
	disk_attach(t->disk, done, t);
}

static void error_of_the_kernel_comes_back_with_the_request(void **state)
{
	struct t *t = *state;
	struct iovec v = { t->mem, BLOCK };
	struct disk_request req = { .op = DISK_WRITE, .len = BLOCK, .iov = &v, .n_iov = 1 };
	struct disk_request zero = { .op = DISK_ZERO, .len = BLOCK };
	struct disk_request discard = { .op = DISK_DISCARD, .len = BLOCK };
	char *text;

	make_image(t, SIZE);
	start_on(t, open(t->path, O_RDONLY | O_CLOEXEC));
	text = run_captured(t, &req);
	assert_int_equal(req.ret, -EBADF);
	assert_non_null(strstr(text, "odd.img: writing 512 bytes at 0: Bad file descriptor"));
	free(text);
	free(run_captured(t, &zero));
	assert_int_equal(zero.ret, -EBADF);
	free(run_captured(t, &discard));
	assert_int_equal(discard.ret, -EBADF);
	assert_image(t, 0, SIZE, -1);
}

static void errors_do_not_fill_the_log(void **state)
{
	struct t *t = *state;
	struct capture c;
	char *text;
	unsigned lines = 0;

	make_image(t, SIZE);
	start_on(t, open(t->path, O_RDONLY | O_CLOEXEC));
	capture_begin(&c, 2);
	for (unsigned i = 0; i < 1000; i++)
		rw(t, DISK_WRITE, 0, t->mem, BLOCK);
	text = capture_end(&c);
	for (char *p = text; *p; p++)
		lines += *p == '\n';
	assert_true(lines >= 1 && lines <= LOG_GUEST_BURST);
	free(text);
}

static void flush_that_failed_once_fails_for_good(void **state)
{
	struct t *t = *state;
	struct disk_request req = { .op = DISK_FLUSH };
	int p[2];

	/* A pipe cannot be flushed. */
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	start_on(t, p[1]);
	free(run_captured(t, &req));
	assert_int_equal(req.ret, -EINVAL);
	assert_int_equal(t->disk->flush_error, -EINVAL);
	/* Were it to succeed, what was lost would be lost silently. */
	make_image(t, SIZE);
	close(p[0]);
	p[0] = open(t->path, O_RDWR | O_CLOEXEC);
	dup3(p[0], p[1], O_CLOEXEC);
	close(p[0]);
	free(run_captured(t, &req));
	assert_int_equal(req.ret, -EINVAL);
	assert_int_equal(rw(t, DISK_READ, 0, t->mem, BLOCK), 0);
	/* With direct I/O nothing was waiting to be lost. */
	t->disk->flush_error = 0;
	assert_int_equal(flush(t), 0);
}

static void failed_flush_with_direct_io_may_succeed_later(void **state)
{
	struct t *t = *state;
	struct disk_request req = { .op = DISK_FLUSH };
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	start_on(t, p[1]);
	t->disk->file.direct = true;
	t->disk->file.mem_align = 512;
	free(run_captured(t, &req));
	assert_int_equal(req.ret, -EINVAL);
	assert_int_equal(t->disk->flush_error, 0);
	close(p[0]);
}

static void advance_takes_vectors_apart(void **state)
{
	struct t *t = *state;
	struct iovec v[3] = { { t->mem, 100 }, { t->mem + 200, 50 }, { t->mem + 300, 362 } };
	struct disk_request req = { .off = 1024, .len = 512, .iov = v, .n_iov = 3 };

	disk_advance(&req, 99);
	assert_int_equal(req.n_iov, 3);
	assert_int_equal(req.iov->iov_len, 1);
	disk_advance(&req, 11);
	assert_int_equal(req.n_iov, 2);
	assert_ptr_equal(req.iov->iov_base, t->mem + 210);
	assert_int_equal(req.off, 1024 + 110);
	disk_advance(&req, 402);
	assert_int_equal(req.len, 0);
	assert_int_equal(req.n_iov, 0);
}

#define T(f) { #f " (io_uring)", f, setup, teardown, &engines[0] },                               \
	{ #f " (threads)", f, setup, teardown, &engines[1] }

static bool uring_is_permitted(void)
{
	enum disk_engine engine = DISK_ENGINE_URING;
	void *state = &engine;
	struct capture c;
	bool ok;

	if (setup(&state) < 0)
		return false;
	make_image(state, SIZE);
	capture_begin(&c, 2);
	ok = open_path(state, ((struct t *)state)->path, false, DISK_WRITEBACK) == 0;
	free(capture_end(&c));
	teardown(&state);
	return ok;
}

int main(void)
{
	/* Where io_uring is forbidden threads are tested twice. */
	static enum disk_engine engines[] = { DISK_ENGINE_URING, DISK_ENGINE_THREADS };
	const struct CMUnitTest tests[] = {
		T(engine_is_the_one_asked_for),
		T(missing_file_is_refused),
		T(directory_and_device_are_refused),
		T(pipe_is_refused_without_waiting_for_its_other_end),
		T(file_without_a_whole_block_is_refused),
		T(file_that_may_not_be_written_is_refused_and_ro_is_named),
		T(size_is_rounded_down_with_a_warning),
		T(qcow2_is_warned_of),
		T(one_image_has_one_writer_or_any_readers),
		T(writer_and_reader_hold_the_bytes_that_qemu_would),
		T(bytes_that_qemu_holds_are_heeded),
		T(exclusive_lock_of_another_kind_of_program_is_heeded),
		T(what_is_written_is_in_the_image_and_reads_back),
		T(vectors_of_any_shape_are_taken_in_their_order),
		T(stable_write_is_done_like_any_other),
		T(empty_request_is_done),
		T(many_requests_at_once_all_come_back),
		T(drain_gives_back_all_that_is_in_flight),
		T(close_gives_back_all_that_is_in_flight),
		T(request_outside_or_between_blocks_is_refused),
		T(read_only_disk_refuses_whatever_writes),
		T(discard_gives_room_back),
		T(zeroes_are_zeroes_unmapped_or_not),
		T(zeroes_are_written_where_the_file_system_has_none),
		T(direct_io_or_a_warning_that_there_is_none),
		T(memory_that_direct_io_would_not_take_is_copied),
		T(alignment_is_looked_at_in_every_vector),
		T(full_file_system_shows_as_an_error_and_a_line),
		T(read_behind_the_end_of_a_file_that_shrank_is_an_error),
		T(error_of_the_kernel_comes_back_with_the_request),
		T(errors_do_not_fill_the_log),
		T(flush_that_failed_once_fails_for_good),
		T(failed_flush_with_direct_io_may_succeed_later),
		T(advance_takes_vectors_apart),
	};

	if (!uring_is_permitted()) {
		print_message("io_uring is not permitted here: not tested\n");
		engines[0] = DISK_ENGINE_THREADS;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
