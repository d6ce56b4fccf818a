/* SPDX-License-Identifier: MIT */
#include "tests/vhost_process.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
/* Above those that they are to be: none is overwritten before its turn. */
#define HIGH_FD 100

static void run(char *const argv[], const int theirs[], unsigned n)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < n; i++)
		if (dup2(theirs[i], FIRST_FD + i) < 0)
			_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

void vhost_process_start(struct vhost_process *p, char *const argv[], const int types[],
			 unsigned n)
{
	int theirs[VHOST_PROCESS_FDS], ret;

	assert(n <= VHOST_PROCESS_FDS);
	for (unsigned i = 0; i < n; i++) {
		int pair[2];

		ret = socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, pair);
		assert(ret == 0);
		p->fds[i] = pair[0];
		theirs[i] = fcntl(pair[1], F_DUPFD_CLOEXEC, HIGH_FD);
		assert(theirs[i] >= 0);
		close(pair[1]);
	}
	p->pid = fork();
	assert(p->pid >= 0);
	if (p->pid == 0)
		run(argv, theirs, n);
	for (unsigned i = 0; i < n; i++)
		close(theirs[i]);
}

void vhost_process_end(struct vhost_process *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

double vhost_process_status(const struct vhost_process *p, const char *name)
{
	char path[40], line[100];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kib = strtod(line + strlen(name) + 1, NULL);
	if (f)
		fclose(f);
	return kib;
}
