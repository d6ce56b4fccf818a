/* SPDX-License-Identifier: MIT */
/* microvm-ctl: one request to a control socket, one answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/control/control.h"
#include "vmm/log.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define REFUSED 1
#define USAGE 2

struct request {
	struct json_out out;
	int fd;			/* to go with it; -1: none */
	char *temp;		/* the file of @fd, to be renamed... */
	const char *path;	/* ...to this */
	bool print;		/* the answer is what was asked for */
};

struct ctl_command {
	const char *name, *args, *help;
	unsigned least, most;	/* arguments */
	/* 0 or an exit status, after one line. */
	int (*make)(struct request *r, unsigned n, char **args);
};

/* --- arguments ------------------------------------------------------------------------ */

static int add_number(struct request *r, const char *name, const char *text)
{
	bool negative = *text == '-';
	uint64_t n;

	if (opt_parse_number(text + negative, 0, INT32_MAX, &n) < 0) {
		log_error("%s: '%.40s' is not a whole number", name, text);
		return USAGE;
	}
	json_out_number(&r->out, name, negative ? -(int64_t)n : (int64_t)n);
	return 0;
}

static int add_optional(struct request *r, const char *name, unsigned n, unsigned i, char **args)
{
	return i < n ? add_number(r, name, args[i]) : 0;
}

static int make_plain(struct request *r, unsigned n, char **args)
{
	return 0;
}

static int make_query(struct request *r, unsigned n, char **args)
{
	r->print = true;
	return add_optional(r, "output", n, 0, args);
}

static int make_output(struct request *r, unsigned n, char **args)
{
	return add_number(r, "output", args[0]);
}

static int make_screenshot(struct request *r, unsigned n, char **args)
{
	struct stat st;
	mode_t mask = umask(0);

	umask(mask);
	r->path = args[0];
	/* What is no plain file, /dev/stdout say, cannot be replaced, nor be written by others. */
	if (stat(r->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		log_error("%s: not a plain file", r->path);
		return REFUSED;
	}
	if (asprintf(&r->temp, "%s.XXXXXX", r->path) < 0) {
		r->temp = NULL;
		return REFUSED;
	}
	r->fd = mkostemp(r->temp, O_CLOEXEC);
	if (r->fd < 0 || fchmod(r->fd, 0666 & ~mask) < 0) {
		log_error("%s: %m", r->path);
		return REFUSED;
	}
	return add_optional(r, "output", n, 1, args);
}

static int make_wait_stable(struct request *r, unsigned n, char **args)
{
	int status = add_optional(r, "ms", n, 0, args);

	return status ? status : add_optional(r, "limit_ms", n, 1, args);
}

static int make_type(struct request *r, unsigned n, char **args)
{
	json_out_text(&r->out, "text", args[0]);
	return 0;
}

static int make_key(struct request *r, unsigned n, char **args)
{
	json_out_text(&r->out, "keys", args[0]);
	return 0;
}

static int make_move(struct request *r, unsigned n, char **args)
{
	int status = add_number(r, "x", args[0]);

	if (status == 0)
		status = add_number(r, "y", args[1]);
	return status ? status : add_optional(r, "output", n, 2, args);
}

static int make_click(struct request *r, unsigned n, char **args)
{
	json_out_text(&r->out, "button", args[0]);
	return add_optional(r, "count", n, 1, args);
}

static int make_scroll(struct request *r, unsigned n, char **args)
{
	int status = add_number(r, "up", args[0]);

	return status ? status : add_optional(r, "right", n, 1, args);
}

static int make_resize(struct request *r, unsigned n, char **args)
{
	char *height = strchr(args[0], 'x');
	int status;

	if (!height) {
		log_error("'%.40s' is not a size such as 1920x1080", args[0]);
		return USAGE;
	}
	*height++ = '\0';
	status = add_number(r, "width", args[0]);
	if (status == 0)
		status = add_number(r, "height", height);
	return status ? status : add_optional(r, "output", n, 1, args);
}

static const struct ctl_command commands[] = {
	{ "status", "", "what runs there, as JSON", 0, 0, make_query },
	{ "power", "", "press the power button", 0, 0, make_plain },
	{ "quit", "", "end the virtual machine at once", 0, 0, make_plain },
	{ "screenshot", "FILE.png [OUTPUT]", "write the picture to a file", 1, 2, make_screenshot },
	{ "output", "[OUTPUT]", "what an output shows, as JSON", 0, 1, make_query },
	{ "wait-stable", "[MS [LIMIT]]", "until the picture has not changed for MS (1000)", 0, 2,
	  make_wait_stable },
	{ "type", "TEXT", "by the keys of a US keyboard", 1, 1, make_type },
	{ "key", "KEY-KEY-...", "press keys together, as in ctrl-alt-f2", 1, 1, make_key },
	{ "move", "X Y [OUTPUT]", "put the tablet's pointer on a pixel", 2, 3, make_move },
	{ "click", "BUTTON [COUNT]", "left, middle, right, side or extra", 1, 2, make_click },
	{ "scroll", "UP [RIGHT]", "turn the wheel; down and left are negative", 1, 2, make_scroll },
	{ "resize", "WxH [OUTPUT]", "as by the window's edge", 1, 2, make_resize },
	{ "plug", "OUTPUT", "connect a monitor", 1, 1, make_output },
	{ "unplug", "OUTPUT", "take it away", 1, 1, make_output },
};

/* --- the socket -------------------------------------------------------------------------- */

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		log_error("%.40s...: longer than the path of a socket can be", path);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	log_error("%s: %m", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_request(int sock, const struct request *r)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)r->out.text, r->out.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (r->fd >= 0) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &r->fd, sizeof(r->fd));
	}
	/* A line is far smaller than a socket's buffer. */
	return sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)r->out.len;
}

/* The line that comes back, without its newline; 0: none came whole. */
static size_t receive(int sock, char *line, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = recv(sock, line + len, size - len, 0);
		char *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		end = memchr(line + len, '\n', n);
		len += n;
		if (end)
			return end - line;
	}
	return 0;
}

/* --- answers -------------------------------------------------------------------------------- */

static int judge(const struct request *r, const char *line, size_t len)
{
	const struct json_field *ok, *error;
	char words[JSON_OUT_MAX];
	struct json json;
	const char *why;

	memcpy(words, line, len);
	if (json_parse(&json, words, len, &why) < 0) {
		log_error("an answer that is none: %s", why);
		return REFUSED;
	}
	ok = json_find(&json, "ok");
	error = json_find(&json, "error");
	if (!ok || ok->type != JSON_BOOL || !ok->number) {
		log_error("%s", error && error->text ? error->text : "refused without a reason");
		return REFUSED;
	}
	if (!r->print)
		return 0;
	printf("%.*s\n", (int)len, line);
	return opts_printed() == 0 ? 0 : REFUSED;
}

static int keep_file(struct request *r)
{
	if (!r->temp)
		return 0;
	if (rename(r->temp, r->path) < 0) {
		log_error("%s: %m", r->path);
		return REFUSED;
	}
	free(r->temp);
	r->temp = NULL;
	return 0;
}

static int ask(int sock, struct request *r)
{
	char line[JSON_OUT_MAX];
	size_t len = send_request(sock, r) ? receive(sock, line, sizeof(line)) : 0;
	int status;

	if (!len) {
		log_error("no answer: the other side hung up");
		return REFUSED;
	}
	status = judge(r, line, len);
	return status ? status : keep_file(r);
}

/* --- the program ----------------------------------------------------------------------------- */

static const struct ctl_command *find_command(const char *name)
{
	const char *words[ARRAY_SIZE(commands) + 1] = { NULL }, *near;

	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
		words[i] = commands[i].name;
	}
	near = opts_nearest(name, words);
	log_error("no command is called '%.40s'%s%s%s", name, near ? "; did you mean '" : "",
		  near ? near : "", near ? "'?" : "; --help lists them");
	return NULL;
}

static int make(struct request *r, const struct ctl_command *c, unsigned n, char **args)
{
	int status;

	if (n < c->least || n > c->most) {
		log_error("usage: microvm-ctl SOCKET %s%s%s", c->name, *c->args ? " " : "", c->args);
		return USAGE;
	}
	json_out_begin(&r->out);
	json_out_text(&r->out, "cmd", c->name);
	status = c->make(r, n, args);
	if (status == 0 && r->out.full) {
		log_error("too long");
		status = USAGE;
	}
	json_out_end(&r->out);
	return status;
}

static int run(const char *path, const struct ctl_command *c, unsigned n, char **args)
{
	struct request r = { .fd = -1 };
	int sock, status = make(&r, c, n, args);

	if (status == 0) {
		sock = dial(path);
		status = sock < 0 ? REFUSED : ask(sock, &r);
		if (sock >= 0)
			close(sock);
	}
	if (r.temp && r.fd >= 0)
		unlink(r.temp);
	free(r.temp);
	if (r.fd >= 0)
		close(r.fd);
	return status;
}

static int help(void)
{
	puts("Usage: microvm-ctl SOCKET COMMAND [ARGUMENT...]\n"
	     "Asks something of a virtual machine that runs with --control SOCKET.\n");
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-11s %-18s %s\n", commands[i].name, commands[i].args, commands[i].help);
	puts("\nExit status: 0 done, 1 refused or nobody there, 2 usage. More: man microvm-ctl");
	return opts_printed() == 0 ? 0 : USAGE;
}

static int version(void)
{
	puts("microvm-ctl " MICROVM_VERSION);
	return opts_printed() == 0 ? 0 : USAGE;
}

int main(int argc, char **argv)
{
	const struct ctl_command *c;

	log_set_program("microvm-ctl");
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return help();
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return version();
	if (argc < 3) {
		log_error("usage: microvm-ctl SOCKET COMMAND [ARGUMENT...]; --help lists commands");
		return USAGE;
	}
	c = find_command(argv[2]);
	return c ? run(argv[1], c, argc - 3, argv + 3) : USAGE;
}
