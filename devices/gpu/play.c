/* SPDX-License-Identifier: MIT */
#include "devices/gpu/play.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/backend/sandbox.h"
#include "devices/gpu/gpu_replay.h"
#include "devices/gpu/make_renderer.h"
#include "devices/ui/screenshot.h"
#include "vmm/log.h"
#include "vmm/opts.h"
#include "vmm/util.h"

struct player {
	const struct gpu_option_replay *o;
	struct gpu_option_device card;	/* who draws */
	struct gpu_recording recording;
	struct gpu_replay *replay;
	uint64_t pictures;
	int error;			/* of a file, the first one */
};

/* --- frames ------------------------------------------------------------------ */

static bool is_wanted(const struct gpu_option_replay *o, uint64_t n)
{
	for (unsigned i = 0; i < o->n_frames; i++)
		if (n >= o->frames[i].first && n <= o->frames[i].last)
			return true;
	return !o->n_frames;
}

static int write_frame(const char *path, const struct picture *picture)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), ret;

	if (fd < 0)
		return -errno;
	ret = screenshot_write(picture, fd);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return ret;
}

/* DIRECTORY/0007.png, or 0007-1.png of another output than the first. */
static void frame(void *ctx, uint64_t n, unsigned output, const struct picture *picture)
{
	struct player *p = ctx;
	char path[PATH_MAX], which[16] = "";
	int ret;

	if (!p->o->png || p->error || !is_wanted(p->o, n))
		return;
	if (output)
		snprintf(which, sizeof(which), "-%u", output);
	snprintf(path, sizeof(path), "%s/%04llu%s.png", p->o->png, (unsigned long long)n, which);
	ret = write_frame(path, picture);
	if (ret == 0) {
		p->pictures++;
		return;
	}
	log_error("%s: %s", path, strerror(-ret));
	p->error = ret;
}

/* --- the file ------------------------------------------------------------------ */

static int open_recording(struct player *p)
{
	const char *path = p->o->path;
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0) {
		log_error("--replay %s: %m", path);
		return -errno;
	}
	ret = gpu_recording_open_fd(&p->recording, fd);
	if (ret == -ENOTSUP)
		log_error("--replay %s: version %u, and only %u is known", path,
			  p->recording.file.version, GPU_RECORD_VERSION);
	else if (ret == -EINVAL)
		log_error("--replay %s: not a recording", path);
	else if (ret < 0)
		log_error("--replay %s: %s", path, strerror(-ret));
	return ret;
}

/* Who drew then, unless --gpu says who does now. */
static int choose_card(struct player *p, const struct gpu_options *o)
{
	const char *renderer = p->recording.file.renderer;

	if (o->n_devices) {
		p->card = o->devices[0];
		return 0;
	}
	p->card = (struct gpu_option_device){ .in_3d.virgl = !strcmp(renderer, "virgl") };
	snprintf(p->card.label, sizeof(p->card.label), "--replay");
	if (p->card.in_3d.virgl || !strcmp(renderer, "2d"))
		return 0;
	log_error("--replay %s: recorded with %.16s, which is not known: --gpu chooses another",
		  p->o->path, renderer);
	return -EINVAL;
}

/* Frames are files that are made on the way. */
static int confine(const struct player *p, bool no_sandbox, int (*how)(const struct player *p))
{
	return no_sandbox ? 0 : how(p);
}

static bool wants_files(const struct player *p)
{
	return p->card.in_3d.virgl || p->o->png;
}

static int confine_files(const struct player *p)
{
	return sandbox_files_out(p->card.in_3d.virgl, p->o->png);
}

static int confine_calls(const struct player *p)
{
	return sandbox_calls(wants_files(p));
}

/* --- the play -------------------------------------------------------------------- */

static int make_replay(struct player *p, struct loop *loop)
{
	struct gpu_replay_params params = {
		.n_outputs = p->recording.file.n_outputs, .frame = frame, .ctx = p,
	};
	int ret = make_renderer(&params.renderer, &p->card, &(struct gl_provider){ 0 });

	if (ret == 0 && p->card.in_3d.virgl && !params.renderer)
		return -ENODEV;
	if (ret == 0)
		ret = gpu_replay_create(&p->replay, loop, &params);
	if (ret < 0 && params.renderer)
		params.renderer->ops->destroy(params.renderer);
	return ret;
}

static void report(const struct player *p, uint64_t ns)
{
	const struct gpu_replay_stats *s = gpu_replay_stats(p->replay);
	double seconds = ns / 1e9;

	printf("%s: %llu frames, %llu commands of %.1f MiB, %.1f MiB of memory in %.3f s: "
	       "%.1f frames/s, %.0f commands/s\n", p->o->path, (unsigned long long)s->frames,
	       (unsigned long long)s->commands, s->bytes / (double)MiB, s->memory / (double)MiB,
	       seconds, s->frames / seconds, s->commands / seconds);
	opts_printed();
}

static const char *reason(int ret)
{
	switch (ret) {
	case -EINVAL:
		return "not what a recording can have";
	case -ENOSPC:
		return "more guest memory than there can be";
	case -EIO:
		return "the card gave up";
	default:
		return strerror(-ret);
	}
}

static int play(struct player *p)
{
	uint64_t begun = loop_now_ns();
	int ret = gpu_replay_run(p->replay, &p->recording);
	const struct gpu_replay_stats *s = gpu_replay_stats(p->replay);

	report(p, MAX(loop_now_ns() - begun, 1ull));
	if (ret < 0)
		log_error("%s: after %llu commands: %s", p->o->path,
			  (unsigned long long)s->commands, reason(ret));
	else if (p->recording.cut)
		log_warn("%s: ends in the middle, as what recorded it", p->o->path);
	if (s->differ)
		log_error("%s: %llu answers are not as recorded", p->o->path,
			  (unsigned long long)s->differ);
	return ret < 0 || s->differ || p->error ? -EIO : 0;
}

int play_main(const struct gpu_options *o)
{
	struct player p = { .o = &o->replay };
	struct loop *loop = NULL;
	int ret = open_recording(&p);

	if (ret < 0)
		return 1;
	ret = choose_card(&p, o);
	if (ret == 0)
		ret = loop_create(&loop);
	if (ret == 0)
		ret = confine(&p, o->no_sandbox, confine_files);
	if (ret == 0)
		ret = make_replay(&p, loop);
	if (ret == 0)
		ret = confine(&p, o->no_sandbox, confine_calls);
	if (ret == 0)
		ret = play(&p);
	gpu_replay_destroy(p.replay);
	loop_destroy(loop);
	gpu_recording_close(&p.recording);
	return ret < 0 ? 1 : 0;
}
