/* SPDX-License-Identifier: MIT */
#include "devices/gpu/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/unixsock.h"
#include "devices/gpu/gpu_virgl.h"
#include "devices/gpu/gpu_record.h"
#include "vmm/log.h"

#define MODES "none|sdl|egl"
#define MAX_FD 1023
#define NO_SOCKET -1
#define DEFAULT_PATIENCE 60	/* an emulated processor's, with much to compile */
#define MAX_PATIENCE 86400
#define DEFAULT_HOSTMEM (256 * MiB)
#define MAX_HOSTMEM (64 * GiB)

/* --- devices --------------------------------------------------------------------- */

static int parse_outputs(struct gpu_params *gpu, const char *label, const char *text)
{
	uint64_t n = 1;

	if (text && opt_parse_number(text, 1, DISPLAY_MAX_OUTPUTS, &n) < 0) {
		log_error("%s: outputs=%.40s: a number from 1 to %d", label, text,
			  DISPLAY_MAX_OUTPUTS);
		return -EINVAL;
	}
	gpu->n_outputs = gpu->n_plugged = n;
	return 0;
}

static int parse_size(struct display_output *output, const char *label, const char *text)
{
	char width[8];
	const char *x = text ? strchr(text, 'x') : NULL;
	uint64_t w, h;

	if (!text)
		return 0;
	if (x && x - text < (ptrdiff_t)sizeof(width)) {
		snprintf(width, sizeof(width), "%.*s", (int)(x - text), text);
		if (opt_parse_number(width, 1, DISPLAY_MAX_SIZE, &w) == 0 &&
		    opt_parse_number(x + 1, 1, DISPLAY_MAX_SIZE, &h) == 0) {
			output->width = w;
			output->height = h;
			return 0;
		}
	}
	log_error("%s: size=%.40s: such as 1920x1080, up to %d each", label, text,
		  DISPLAY_MAX_SIZE);
	return -EINVAL;
}

int gpu_option_gpu(struct gpu_params *gpu, struct screen_look *look, const char *label,
		   const struct opt_value *value)
{
	const char *scale = opt_value_get(value, "scale");

	*gpu = (struct gpu_params){ 0 };
	*look = (struct screen_look){
		.fullscreen = opt_value_flag(value, "fullscreen", false),
		.integer = scale && !strcmp(scale, "integer"),
	};
	if (parse_outputs(gpu, label, opt_value_get(value, "outputs")) < 0)
		return -EINVAL;
	return parse_size(&gpu->output, label, opt_value_get(value, "size"));
}

static int parse_hostmem(struct gpu_option_3d *in_3d, const char *label, const char *text)
{
	in_3d->hostmem = in_3d->venus ? DEFAULT_HOSTMEM : 0;
	if (!text)
		return 0;
	if (opt_parse_size(text, &in_3d->hostmem) == 0 && in_3d->hostmem <= MAX_HOSTMEM &&
	    in_3d->hostmem % MiB == 0)
		return 0;
	log_error("%s: hostmem=%.40s: whole MiB, up to 64G; 0: none", label, text);
	return -EINVAL;
}

int gpu_option_3d(struct gpu_option_3d *in_3d, const char *label, const struct opt_value *value)
{
	const char *text = opt_value_get(value, "patience");
	const char *hostmem = opt_value_get(value, "hostmem");
	uint64_t patience = DEFAULT_PATIENCE;

	*in_3d = (struct gpu_option_3d){
		.virgl = value->first && !strcmp(value->first, "virgl"),
		.rendernode = opt_value_get(value, "rendernode"),
		.venus = opt_value_flag(value, "venus", false),
	};
	if (!in_3d->virgl && (in_3d->rendernode || text)) {
		log_error("%s: %s= is for virgl", label, text ? "patience" : "rendernode");
		return -EINVAL;
	}
	if (in_3d->venus ? !in_3d->virgl : !!hostmem) {
		log_error("%s: %s", label, in_3d->venus ? "venus is for virgl" :
			  "hostmem= is for venus, and nothing else has memory to be mapped");
		return -EINVAL;
	}
	if (parse_hostmem(in_3d, label, hostmem) < 0)
		return -EINVAL;
	if (text && opt_parse_number(text, 0, MAX_PATIENCE, &patience) < 0) {
		log_error("%s: patience=%.40s: seconds, up to %d", label, text, MAX_PATIENCE);
		return -EINVAL;
	}
	in_3d->patience = patience;
	return 0;
}

int gpu_option_record(struct gpu_option_record *record, const char *label,
		      const struct opt_value *value)
{
	const char *limit = opt_value_get(value, "record-limit");

	*record = (struct gpu_option_record){
		.path = opt_value_get(value, "record"),
		.limit = GPU_RECORD_DEFAULT_LIMIT,
	};
	if (record->path && opt_value_flag(value, "venus", false)) {
		log_error("%s: record=: what venus draws goes by memory that is not recorded", label);
		return -EINVAL;
	}
	if (limit && (opt_parse_size(limit, &record->limit) < 0 || !record->path)) {
		log_error("%s: record-limit=%.40s: %s", label, limit,
			  record->path ? "a size such as 500M" : "without record=");
		return -EINVAL;
	}
	return 0;
}

static const char *const kinds[] = {
	[INPUT_KEYBOARD] = "keyboard",
	[INPUT_MOUSE] = "mouse",
	[INPUT_TABLET] = "tablet",
	[INPUT_MULTITOUCH] = "multitouch",
};

/* INPUT_KINDS: none of them, or NULL. */
static enum input_kind find_kind(const char *word)
{
	unsigned i = 0;

	while (i < ARRAY_SIZE(kinds) && (!word || strcmp(kinds[i], word)))
		i++;
	return i < ARRAY_SIZE(kinds) ? (enum input_kind)i : INPUT_KINDS;
}

int gpu_option_input(struct seat_input *input, const char *label, const struct opt_value *value)
{
	*input = (struct seat_input){
		.kind = find_kind(value->first),
		.name = opt_value_get(value, "name"),
		.serial = opt_value_get(value, "serial"),
	};
	if (input->kind != INPUT_KINDS)
		return 0;
	log_error("%s: needs one of keyboard, mouse, tablet, multitouch", label);
	return -EINVAL;
}

/* --- where front ends come from ------------------------------------------------------ */

#define SOCKET_KEYS                                                                                \
	{ "socket", "FILE", "where we listen for the VMM" },                                       \
	{ "fd", "N", "an inherited socket in place of that" }

static const struct opt_key gpu_keys[] = { SOCKET_KEYS, GPU_OPTION_KEYS, { 0 } };
static const struct opt_key input_keys[] = { SOCKET_KEYS, GPU_OPTION_INPUT_KEYS, { 0 } };

static int parse_place(struct seat_socket *s, const char *label, const char *path, const char *fd)
{
	uint64_t n = 0;

	s->path = path;
	if (path && (!*path || strlen(path) > UNIXSOCK_PATH_MAX)) {
		log_error("%s: socket=%.40s: a path of up to %zu characters", label, path,
			  UNIXSOCK_PATH_MAX);
		return -EINVAL;
	}
	if (fd && opt_parse_number(fd, 3, MAX_FD, &n) < 0) {
		log_error("%s: fd=%.40s: a number from 3 to %d", label, fd, MAX_FD);
		return -EINVAL;
	}
	s->fd = n;
	return 0;
}

static int parse_socket(struct seat_socket *s, const char *label, const struct opt_value *value)
{
	const char *fd = opt_value_get(value, "fd"), *path = opt_value_get(value, "socket");

	if (!path != !fd)
		return parse_place(s, label, path, fd);
	/* None is right for one that plays a recording, which may come as the next option. */
	s->fd = NO_SOCKET;
	if (!path)
		return 0;
	log_error("%s: needs socket=FILE or fd=N, not both", label);
	return -EINVAL;
}

static int print_keys(const char *usage, const struct opt_key *keys)
{
	printf("%s\n", usage);
	for (const struct opt_key *k = keys; k->name; k++)
		printf("  %s%s%-*s%s\n", k->name, k->arg ? "=" : "",
		       (int)(22 - strlen(k->name)), k->arg ? k->arg : "", k->help);
	return -ECANCELED;
}

static int print_help(bool is_gpu, const struct opt_key *keys)
{
	if (!is_gpu)
		return print_keys("--input KIND,...: keyboard, mouse, tablet or multitouch", keys);
	print_keys("--gpu 2d|virgl,...: a graphics card; virgl draws 3D", keys);
	gpu_virgl_describe();
	return -ECANCELED;
}

static int parse_device(struct gpu_option_device *d)
{
	int ret = d->is_gpu ? gpu_option_gpu(&d->gpu, &d->look, d->label, &d->value) :
			      gpu_option_input(&d->input, d->label, &d->value);

	if (ret == 0 && d->is_gpu)
		ret = gpu_option_3d(&d->in_3d, d->label, &d->value);
	if (ret == 0 && d->is_gpu)
		ret = gpu_option_record(&d->record, d->label, &d->value);
	return ret < 0 ? ret : parse_socket(&d->socket, d->label, &d->value);
}

static int add_device(struct gpu_options *o, const struct opt_at *at, const char *value,
		      const struct opt_key *keys, bool is_gpu)
{
	struct gpu_option_device *d = &o->devices[o->n_devices];
	int ret;

	if (!strcmp(value, "help"))
		return print_help(is_gpu, keys);
	if (o->n_devices == SEAT_MAX_DEVICES) {
		log_error("%s: more than %d devices", at->label, SEAT_MAX_DEVICES);
		return -EINVAL;
	}
	*d = (struct gpu_option_device){ .is_gpu = is_gpu };
	snprintf(d->label, sizeof(d->label), "%s", at->label);
	ret = opt_value_parse(&d->value, at->label, value, keys);
	if (ret < 0)
		return ret;
	if (is_gpu && d->value.first && !opt_words_have(GPU_OPTION_KINDS, d->value.first)) {
		log_error("%s %.40s: one of %s", at->label, d->value.first, GPU_OPTION_KINDS);
		opt_value_finish(&d->value);
		return -EINVAL;
	}
	if (d->value.first)
		snprintf(d->label, sizeof(d->label), "%s %.20s", at->label, d->value.first);
	o->n_devices++;
	if (is_gpu)
		o->no_sandbox = !opt_value_flag(&d->value, "sandbox", true);
	return parse_device(d);
}

/* --- the table ------------------------------------------------------------------------- */

static int set_gpu(void *config, const struct opt_at *at, const char *value)
{
	return add_device(config, at, value, gpu_keys, true);
}

static int set_input(void *config, const struct opt_at *at, const char *value)
{
	return add_device(config, at, value, input_keys, false);
}

/* These two are microvm's own; nobody else has the other end. */
static int set_events(void *config, const struct opt_at *at, const char *value)
{
	static const struct opt_key keys[] = { { "fd", "N", "" }, { 0 } };
	struct gpu_options *o = config;
	int ret = add_device(o, at, value, keys, false);

	if (ret == 0)
		o->devices[o->n_devices - 1].vmm = true;
	return ret;
}

static int set_framebuffer(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;
	const char *fd = strncmp(value, "fd=", 3) ? "" : value + 3;

	o->has_framebuffer = true;
	return parse_place(&o->framebuffer, at->label, NULL, fd);
}

static int set_control(void *config, const struct opt_at *at, const char *value)
{
	static const struct opt_key keys[] = { { "fd", "N", "" }, { 0 } };
	struct gpu_options *o = config;
	struct opt_value *v = &o->control_value;
	int ret = opt_value_parse(v, at->label, value, keys);
	const char *fd = ret < 0 ? NULL : opt_value_get(v, "fd");

	if (ret < 0)
		return ret;
	if (!v->first == !fd) {
		log_error("%s: a socket's FILE, or fd=N", at->label);
		return -EINVAL;
	}
	o->has_control = true;
	return parse_place(&o->control, at->label, v->first, fd);
}

static enum screen_mode find_mode(const char *word)
{
	if (!strcmp(word, "sdl"))
		return SCREEN_SDL;
	return strcmp(word, "egl") ? SCREEN_NONE : SCREEN_EGL;
}

static int set_display(void *config, const struct opt_at *at, const char *value)
{
	static const struct opt_key keys[] = {
		{ "rendernode", "FILE", "" }, { "socket", "FILE", "" }, { "fd", "N", "" }, { 0 },
	};
	struct gpu_options *o = config;
	struct opt_value *v = &o->display_value;
	int ret = opt_value_parse(v, at->label, value, keys);
	const char *path, *fd;

	if (ret < 0)
		return ret;
	if (!v->first || !opt_words_have(MODES, v->first)) {
		log_error("%s %.40s: one of %s", at->label, value, MODES);
		return -EINVAL;
	}
	o->display = find_mode(v->first);
	path = opt_value_get(v, "socket");
	fd = opt_value_get(v, "fd");
	o->has_viewers = path || fd;
	o->rendernode = opt_value_get(v, "rendernode");
	if (o->display != SCREEN_EGL && (o->has_viewers || o->rendernode)) {
		log_error("%s %.40s: %s= is for egl", at->label, v->first,
			  path ? "socket" : fd ? "fd" : "rendernode");
		return -EINVAL;
	}
	if (path && fd) {
		log_error("%s: socket=FILE or fd=N, not both", at->label);
		return -EINVAL;
	}
	return o->has_viewers ? parse_place(&o->viewers, at->label, path, fd) : 0;
}

static int set_text(char **text, const struct opt_at *at, const char *value)
{
	if (!*value) {
		log_error("%s: needs a name", at->label);
		return -EINVAL;
	}
	free(*text);
	*text = strdup(value);
	return *text ? 0 : -ENOMEM;
}

static int set_replay(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;

	return set_text(&o->replay.path, at, value);
}

static int set_png(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;

	return set_text(&o->replay.png, at, value);
}

/* "7" or "7-9", of which the dash is given; cuts @text. */
static int parse_range(char *text, uint64_t *first, uint64_t *last)
{
	char *dash = strchr(text, '-');
	int ret;

	if (dash)
		*dash++ = '\0';
	ret = opt_parse_number(text, 1, UINT64_MAX, first);
	*last = *first;
	if (ret == 0 && dash)
		ret = opt_parse_number(dash, *first, UINT64_MAX, last);
	return ret;
}

static int parse_frames(struct gpu_option_replay *r, char *text)
{
	char *rest = text, *word;
	int ret = 0;

	r->n_frames = 0;
	while (ret == 0 && (word = strsep(&rest, ","))) {
		if (r->n_frames == GPU_OPTION_FRAMES)
			return -ERANGE;
		ret = parse_range(word, &r->frames[r->n_frames].first,
				  &r->frames[r->n_frames].last);
		r->n_frames++;
	}
	return ret;
}

static int set_frames(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;
	char *text = strdup(value);
	int ret = text ? parse_frames(&o->replay, text) : -ENOMEM;

	free(text);
	if (ret < 0)
		log_error("%s %.40s: numbers from 1 and ranges, such as 1,7-9", at->label, value);
	return ret;
}

static int set_name(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;

	free(o->name);
	o->name = strdup(value);
	return o->name ? 0 : -ENOMEM;
}

static int set_verbose(void *config, const struct opt_at *at, const char *value)
{
	struct gpu_options *o = config;

	o->verbose = strcmp(value, "on") ? 0 : o->verbose + 1;
	return 0;
}

static int set_describe(void *config, const struct opt_at *at, const char *value)
{
	gpu_virgl_describe();
	return -ECANCELED;
}

static int set_help(void *config, const struct opt_at *at, const char *value);

static int set_version(void *config, const struct opt_at *at, const char *value)
{
	puts("microvm-gpu " MICROVM_VERSION);
	return -ECANCELED;
}

static const struct opt options[] = {
	{ "gpu", GPU_OPTION_KINDS, "Devices", "graphics card (--gpu help lists its keys)",
	  .set = set_gpu },
	{ "input", "KIND", "Devices", "keyboard, mouse, tablet, multitouch (--input help)",
	  .multiple = true, .set = set_input },
	{ "events", "KIND,fd=N", "Devices", NULL, .multiple = true, .set = set_events },
	{ "framebuffer", "fd=N", "Devices", NULL, .set = set_framebuffer },
	{ "display", MODES "[,socket=FILE]", "Pictures",
	  "windows, nowhere, or for microvm-view at FILE (sdl where there is a desktop)",
	  .set = set_display },
	{ "replay", "FILE", "Recordings", "play what --gpu record= wrote, without a guest",
	  .set = set_replay },
	{ "png", "DIRECTORY", "Recordings", "and write its frames there", .set = set_png },
	{ "frames", "N,N-N...", "Recordings", "these, counted from 1 (all)", .set = set_frames },
	{ "control", "FILE|fd=N", "Pictures", "socket of microvm-ctl", .set = set_control },
	{ "name", "NAME", "Pictures", "of the guest, for titles (microvm)", .set = set_name },
	{ "verbose", NULL, "About", "say more; twice, everything", .multiple = true,
	  .set = set_verbose },
	{ "describe", NULL, "About", "say what the graphics libraries here can do",
	  .set = set_describe },
	{ "help", NULL, "About", "print this text (-h)", .set = set_help },
	{ "h", NULL, "About", NULL, .set = set_help },
	{ "version", NULL, "About", "print the version", .set = set_version },
	{ 0 },
};

static int set_help(void *config, const struct opt_at *at, const char *value)
{
	puts("Usage: microvm-gpu [OPTION...]\n"
	     "Graphics card, keyboards and pointers of a guest, by vhost-user. microvm starts\n"
	     "it by itself; another VMM finds each device at its socket.\n");
	opts_print(options, stdout);
	return -ECANCELED;
}

/* --- entry points ------------------------------------------------------------------------ */

static bool is_alone(const struct gpu_option_device *d)
{
	return !d->socket.path && d->socket.fd == NO_SOCKET;
}

/* A recording has its own idea of a card; --gpu chooses who draws. */
static int check_replay(const struct gpu_options *o)
{
	const struct gpu_option_device *d = &o->devices[0];

	if (!o->n_devices ||
	    (o->n_devices == 1 && d->is_gpu && is_alone(d) && !d->record.path))
		return 0;
	log_error("--replay: --gpu goes with it, without socket=, fd= and record=, and no other device");
	return -EINVAL;
}

static int need_device(const struct gpu_options *o)
{
	if (o->replay.path)
		return check_replay(o);
	if (o->replay.png || o->replay.n_frames) {
		log_error("--%s: there is no --replay", o->replay.png ? "png" : "frames");
		return -EINVAL;
	}
	for (unsigned i = 0; i < o->n_devices; i++) {
		if (!is_alone(&o->devices[i]))
			continue;
		log_error("%s: needs socket=FILE or fd=N", o->devices[i].label);
		return -EINVAL;
	}
	if (o->n_devices || o->has_framebuffer)
		return 0;
	log_error("no device: --gpu and --input say what to be, --help lists all options");
	return -EINVAL;
}

/* That of --display is the card's. */
static int spread_rendernode(struct gpu_options *o)
{
	if (!o->rendernode)
		return 0;
	for (unsigned i = 0; i < o->n_devices; i++) {
		struct gpu_option_device *d = &o->devices[i];

		if (d->in_3d.virgl && !d->in_3d.rendernode) {
			d->in_3d.rendernode = o->rendernode;
			return 0;
		}
	}
	log_error("--display egl,rendernode=: is for one --gpu virgl that names none itself");
	return -EINVAL;
}

enum gpu_options_result gpu_options_parse(struct gpu_options *o, int argc, char *const argv[])
{
	int ret;

	*o = (struct gpu_options){ 0 };
	ret = opts_parse_argv(options, o, argc, argv);
	if (ret == 0)
		ret = need_device(o);
	if (ret == 0)
		ret = spread_rendernode(o);
	if (ret == -ECANCELED && opts_printed() == 0)
		return GPU_OPTIONS_DONE;
	return ret < 0 ? GPU_OPTIONS_ERROR : GPU_OPTIONS_RUN;
}

void gpu_options_finish(struct gpu_options *o)
{
	for (unsigned i = 0; i < o->n_devices; i++)
		opt_value_finish(&o->devices[i].value);
	opt_value_finish(&o->control_value);
	opt_value_finish(&o->display_value);
	free(o->name);
	free(o->replay.path);
	free(o->replay.png);
	*o = (struct gpu_options){ 0 };
}
