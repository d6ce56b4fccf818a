/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/term.h"
#include "vmm/arch.h"
#include "vmm/config.h"
#include "vmm/util.h"
#include "vmm/vm.h"

/*
 * The one piece of state outside struct vm: a handler of a fatal signal has no
 * argument, and the terminal is to be usable even after our own crash.
 */
static struct term *crash_term;

static void on_crash(int sig)
{
	if (crash_term)
		term_restore(crash_term);
	/* SA_RESETHAND: this time it kills, and leaves a core file as ever. */
	raise(sig);
}

static void init_signals(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGSYS };
	struct sigaction crash = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND };
	sigset_t set;

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &crash, NULL);
	/* A reader of our output that goes away shows as EPIPE where we write. */
	signal(SIGPIPE, SIG_IGN);
	/* A disk image at the limit of a file's size shows as EFBIG, an I/O error of the guest's. */
	signal(SIGXFSZ, SIG_IGN);
	/* vm.c takes these from a signalfd; blocked before the first thread. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	vcpu_init_signals();
}

static int run_vm(const struct config *cfg, uint64_t t_start_ns, FILE *stats)
{
	struct vm *vm = malloc(sizeof(*vm));
	int status;

	if (!vm)
		return 1;
	if (vm_create(vm, cfg, t_start_ns) < 0) {
		status = vm_exit_status(vm);
		free(vm);
		return status;
	}
	crash_term = vm->term;
	vm_run(vm);
	status = vm_exit_status(vm);
	if (stats)
		vm_print_stats(vm, stats);
	crash_term = NULL;
	vm_destroy(vm);
	free(vm);
	return status;
}

static int run(const struct config *cfg, uint64_t t_start_ns)
{
	FILE *stats = NULL;
	int status;

	/* Now: nobody wants to hear of a wrong path after an hour. */
	if (cfg->stats && !(stats = fopen(cfg->stats, "we"))) {
		log_error("--stats %s: %m", cfg->stats);
		return 2;
	}
	status = run_vm(cfg, t_start_ns, stats);
	if (stats && fclose(stats) != 0) {
		log_error("--stats %s: %m", cfg->stats);
		status = status ? status : 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	uint64_t t_start_ns = loop_now_ns();
	struct config cfg;
	int status = 0;

	switch (config_parse(&cfg, argc, argv)) {
	case CONFIG_DONE:
		break;
	case CONFIG_ERROR:
		status = 2;
		break;
	case CONFIG_RUN:
		log_set_level(LOG_WARN + MIN(cfg.verbose, 2));
		init_signals();
		status = run(&cfg, t_start_ns);
		break;
	}
	config_finish(&cfg);
	return status;
}
