/* SPDX-License-Identifier: MIT */
#include "tests/gpu_front.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/program.h"

#define CONTROL 1	/* of the process's devices */
#define PATIENCE_NS 100000000000ull

extern const struct virtio_model virtio_gpu_model;

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* --- life ------------------------------------------------------------------------ */

void gpu_front_init(struct gpu_front *f, const char *option)
{
	struct virtio_env env = { 0 };
	char path[PATH_MAX];

	memset(f, 0, sizeof(*f));
	vrig_init(&f->r, VRIG_MMIO);
	f->r.racing = true;
	must(gpu_process_create(&f->process, f->r.fake.loop, "guest") == 0);
	env.loop = f->r.fake.loop;
	env.mem = &f->r.fake.mem;
	env.gpu = f->process;
	must(opt_value_parse(&f->opts, "--gpu", option, virtio_gpu_model.keys) == 0);
	must(virtio_gpu_model.check("--gpu", &f->opts) == 0);
	must(virtio_gpu_model.announce(&env, &f->opts) == 0);
	must(gpu_process_add(f->process, "control", "") == CONTROL);
	program_path(path, "microvm-gpu");
	must(gpu_process_set(f->process, path, "none") == 0);
	must(virtio_gpu_model.create(&f->v, &env, &f->opts) == 0);
	vrig_plug(&f->r, f->v);
}

void gpu_front_finish(struct gpu_front *f)
{
	vrig_unplug(&f->r);
	virtio_gpu_model.destroy(f->v);
	opt_value_finish(&f->opts);
	gpu_process_destroy(f->process);
	vrig_finish(&f->r);
}

void gpu_front_serve(struct gpu_front *f, uint64_t from_ns, const char *what)
{
	loop_run_once(f->r.fake.loop, 10);
	if (loop_now_ns() - from_ns <= PATIENCE_NS)
		return;
	fprintf(stderr, "never: %s\n", what);
	abort();
}

int gpu_front_child(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* --- the driver -------------------------------------------------------------------- */

static void kick(void *ctx, unsigned q)
{
	struct gpu_front *f = ctx;

	vdrv_kick(&f->r.d, q);
}

static void wait_for_it(void *ctx, unsigned q)
{
	struct gpu_front *f = ctx;
	const struct vdrv_ring *ring = &f->r.d.rings[q];

	GPU_FRONT_UNTIL(f, __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx);
}

void gpu_front_start(struct gpu_front *f, uint64_t features)
{
	const struct vgpu_port port = { kick, wait_for_it, f };
	struct vdrv *d = &f->r.d;

	vdrv_start(d, features);
	vgpu_init(&f->g, &f->r.fake.mem, &d->rings[0], &d->rings[1],
		  vdrv_alloc(d, VGPU_AREA_BYTES, 4096), port);
}

bool gpu_front_needs_reset(struct gpu_front *f)
{
	return vdrv_get(&f->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* --- screenshots ------------------------------------------------------------------- */

static void send_with_file(int fd, const char *text, int file)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };

	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(file));
	must(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static int64_t middle(int file, uint32_t width, uint32_t height)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB };
	uint8_t *rgb = malloc(3ull * width * height);
	const uint8_t *p = rgb + 3ull * (height / 2 * width + width / 2);
	int64_t pixel = -1;
	struct stat st;
	void *png;

	must(rgb && fstat(file, &st) == 0);
	png = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	must(png != MAP_FAILED && png_image_begin_read_from_memory(&image, png, st.st_size));
	image.format = PNG_FORMAT_RGB;
	if (image.width == width && image.height == height) {
		must(png_image_finish_read(&image, NULL, rgb, 0, NULL));
		pixel = p[0] << 16 | p[1] << 8 | p[2];
	}
	png_image_free(&image);
	munmap(png, st.st_size);
	free(rgb);
	return pixel;
}

int64_t gpu_front_screenshot(struct gpu_front *f, uint32_t width, uint32_t height)
{
	int file = memfd_create("png", MFD_CLOEXEC), fd = gpu_process_visit(f->process, CONTROL);
	char answer[400] = "";
	int64_t pixel = -1;

	must(file >= 0 && fd >= 0);
	send_with_file(fd, "{\"cmd\":\"screenshot\"}\n", file);
	must(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
	if (strstr(answer, "\"ok\": true"))
		pixel = middle(file, width, height);
	close(file);
	close(fd);
	return pixel;
}
