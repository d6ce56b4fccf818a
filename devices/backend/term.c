/* SPDX-License-Identifier: MIT */
#include "devices/backend/term.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define TERM_PREFIX 0x01	/* ctrl-a */

struct term {
	struct loop *loop;
	void (*key)(void *ctx, enum term_key key);
	void *key_ctx;
	int in, out, err;
	bool is_tty;		/* @in */
	bool claimed;
	void (*changed)(void *arg);
	void *changed_arg;
	bool prefix;		/* ctrl-a was typed */
	atomic_bool raw;	/* term_restore() has something to do */
	bool has_saved;
	struct termios saved;
	int signal_fd;
	struct loop_fd signals;
	sigset_t unblock;	/* at the end */
};

static const char term_help[] =
	"\r\n"
	"ctrl-a x  end the virtual machine     ctrl-a h  this list\r\n"
	"ctrl-a p  press its power button      ctrl-a b  send a break\r\n"
	"ctrl-a r  reset it                    ctrl-a ctrl-a  send ctrl-a\r\n";

/* --- raw mode ------------------------------------------------------------------ */

/* Another job of the same terminal is in front: to touch it would stop or spoil. */
static bool term_in_background(const struct term *term)
{
	pid_t front = tcgetpgrp(term->in);

	return front >= 0 && front != getpgrp();
}

static void term_apply(const struct term *term, const struct termios *tio)
{
	sigset_t ttou, old;

	/* The foreground may be taken from us between the look and this call. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(term->in, TCSANOW, tio);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void term_begin(struct term *term)
{
	struct termios tio;

	if (!term->is_tty || !term->claimed || term_in_background(term))
		return;
	if (!term->has_saved && tcgetattr(term->in, &term->saved) < 0)
		return;
	term->has_saved = true;
	tio = term->saved;
	cfmakeraw(&tio);
	atomic_store(&term->raw, true);
	term_apply(term, &tio);
	log_set_crlf(isatty(term->err));
}

void term_restore(struct term *term)
{
	if (!term || !atomic_exchange(&term->raw, false))
		return;
	if (!term_in_background(term))
		term_apply(term, &term->saved);
	log_set_crlf(false);
}

/* --- keys ------------------------------------------------------------------------ */

static void term_show_help(struct term *term)
{
	/* Nobody can be told of an error here. */
	if (write(term->err, term_help, sizeof(term_help) - 1) < 0)
		return;
}

static enum term_act term_prefixed(struct term *term, uint8_t byte)
{
	switch (byte) {
	case TERM_PREFIX:
		return TERM_PASS;
	case 'b':
		return TERM_BREAK;
	case 'x':
		term->key(term->key_ctx, TERM_QUIT);
		break;
	case 'p':
		term->key(term->key_ctx, TERM_POWER);
		break;
	case 'r':
		term->key(term->key_ctx, TERM_RESET);
		break;
	default:	/* h, ?, and whoever has to look them up */
		term_show_help(term);
	}
	return TERM_EAT;
}

enum term_act term_filter(struct term *term, uint8_t byte)
{
	if (!term->is_tty)
		return TERM_PASS;
	if (term->prefix) {
		term->prefix = false;
		return term_prefixed(term, byte);
	}
	term->prefix = byte == TERM_PREFIX;
	return term->prefix ? TERM_EAT : TERM_PASS;
}

/* --- signals ---------------------------------------------------------------------- */

static void term_signalled(void *arg, uint32_t events)
{
	struct term *term = arg;
	struct signalfd_siginfo info;
	bool any = false;

	while (read(term->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		any = true;
		/* Whoever had the terminal while we were stopped has set it up for himself. */
		if (info.ssi_signo == SIGCONT)
			term_begin(term);
	}
	if (any && term->changed)
		term->changed(term->changed_arg);
}

static int term_watch_signals(struct term *term)
{
	static const int signals[] = { SIGWINCH, SIGCONT };
	sigset_t mask, old;
	int ret;

	sigemptyset(&mask);
	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&mask, signals[i]);
	term->signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (term->signal_fd < 0)
		return -errno;
	ret = loop_add(term->loop, &term->signals, term->signal_fd, EPOLLIN, term_signalled, term);
	if (ret < 0) {
		close(term->signal_fd);
		return ret;
	}
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	sigemptyset(&term->unblock);
	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigismember(&old, signals[i]))
			sigaddset(&term->unblock, signals[i]);
	return 0;
}

/* --- life --------------------------------------------------------------------------- */

int term_create_on(struct term **out, struct loop *loop, const int fds[3],
		   void (*key)(void *ctx, enum term_key key), void *ctx)
{
	struct term *term = calloc(1, sizeof(*term));
	int ret;

	if (!term)
		return -ENOMEM;
	*term = (struct term){
		.loop = loop,
		.key = key,
		.key_ctx = ctx,
		.in = fds[0],
		.out = fds[1],
		.err = fds[2],
		.is_tty = isatty(fds[0]),
	};
	ret = term_watch_signals(term);
	if (ret < 0) {
		free(term);
		return ret;
	}
	*out = term;
	return 0;
}

int term_create(struct term **out, struct loop *loop, void (*key)(void *ctx, enum term_key key),
		void *ctx)
{
	static const int std[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };

	return term_create_on(out, loop, std, key, ctx);
}

void term_destroy(struct term *term)
{
	if (!term)
		return;
	term_restore(term);
	loop_remove(term->loop, &term->signals);
	close(term->signal_fd);
	pthread_sigmask(SIG_UNBLOCK, &term->unblock, NULL);
	free(term);
}

int term_claim(struct term *term, void (*changed)(void *arg), void *arg)
{
	if (term->claimed)
		return -EBUSY;
	term->claimed = true;
	term->changed = changed;
	term->changed_arg = arg;
	return 0;
}

void term_release(struct term *term)
{
	term_restore(term);
	term->claimed = false;
	term->changed = NULL;
}

int term_input_fd(const struct term *term)
{
	return term->in;
}

int term_output_fd(const struct term *term)
{
	return term->out;
}

bool term_has_keys(const struct term *term)
{
	return term->is_tty;
}

bool term_may_read(const struct term *term)
{
	return !term->is_tty || !term_in_background(term);
}

int term_size(const struct term *term, unsigned *cols, unsigned *rows)
{
	struct winsize ws;

	if ((ioctl(term->out, TIOCGWINSZ, &ws) < 0 && ioctl(term->in, TIOCGWINSZ, &ws) < 0) ||
	    !ws.ws_col || !ws.ws_row)
		return -ENOTTY;
	*cols = ws.ws_col;
	*rows = ws.ws_row;
	return 0;
}
