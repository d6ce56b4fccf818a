/* SPDX-License-Identifier: MIT */
/* What a process in the sandbox can still do: each attempt in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/sandbox.h"

#define SURVIVED 0
#define WRONG 99

/* Sanitizers have more allowed, and other exits. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* What becomes of a child that does it: an exit status, or minus a signal. */
static int fate(bool windows, const char *const *sockets, int (*attempt)(void))
{
	static const char *const none[] = { NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_files(windows, sockets ? sockets : none) < 0 ||
		    sandbox_calls(windows) < 0)
			_exit(WRONG);
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int either_way(int (*attempt)(void))
{
	int without = fate(false, NULL, attempt), with = fate(true, NULL, attempt);

	assert_int_equal(without, with);
	return with;
}

/* --- attempts: 0, or what went wrong ------------------------------------------------------ */

static int try_execve(void)
{
	char *argv[] = { "true", NULL };

	execv("/bin/true", argv);
	return errno;
}

static int try_io_uring(void)
{
	char params[120] = "";

	return syscall(SYS_io_uring_setup, 1, params) < 0 ? errno : 0;
}

static int try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), 0, 0) < 0 ? errno : 0;
}

static int try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

/* Such as the desktop's bus, whose services start programs. */
static int try_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

/* A signal by way of a descriptor that somebody else makes readable. */
static int try_signal_by_descriptor(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return fcntl(fd, F_SETOWN, getppid()) < 0 || fcntl(fd, F_SETSIG, SIGCONT) < 0 ? errno : 0;
}

static int try_read_terminal(void)
{
	int fd = open(getenv("TEST_TERMINAL"), O_RDONLY | O_NOCTTY);

	return fd < 0 ? errno : 0;
}

static int try_dev_null(void)
{
	return open("/dev/null", O_RDWR) < 0 || open("/dev/urandom", O_RDONLY) < 0 ? errno : 0;
}

static int try_open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int try_read_there(void)
{
	return open(getenv("TEST_SECRET"), O_RDONLY) < 0 ? errno : 0;
}

static int try_write_there(void)
{
	return open(getenv("TEST_SECRET"), O_WRONLY | O_TRUNC) < 0 ? errno : 0;
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int try_type_into_terminal(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x") < 0 ? errno : 0;
}

static int try_kill_parent(void)
{
	return kill(getppid(), SIGCONT) < 0 ? errno : 0;
}

static void *nothing(void *arg)
{
	return arg;
}

/* What microvm-gpu lives by. */
static int try_work(void)
{
	pthread_t thread;
	struct stat st;
	void *p;

	if (eventfd(0, EFD_CLOEXEC) < 0 || pthread_create(&thread, NULL, nothing, NULL) ||
	    pthread_join(thread, NULL))
		return 1;
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || munmap(p, 1 << 20) < 0 || fstat(STDERR_FILENO, &st) < 0)
		return 2;
	return SURVIVED;
}

static int try_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 1;
	return l.rlim_max <= 1024 ? SURVIVED : 2;
}

static int try_abort(void)
{
	abort();
}

static int try_remove_socket(void)
{
	return unlink(getenv("TEST_SOCKET")) < 0 ? errno : 0;
}

/* --- tests -------------------------------------------------------------------------------- */

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void work_goes_on(void **state)
{
	assert_int_equal(either_way(try_work), SURVIVED);
	assert_int_equal(either_way(try_limits), SURVIVED);
}

static void abort_is_still_an_abort(void **state)
{
	assert_int_equal(either_way(try_abort), -SIGABRT);
}

static void case_100_no_other_program_runs_here(void **state)
{
	assert_int_equal(either_way(try_execve), -SIGSYS);
}

static void case_100_no_io_uring(void **state)
{
	assert_int_equal(either_way(try_io_uring), -SIGSYS);
}

static void case_100_no_other_process_is_looked_into_or_told(void **state)
{
	if (SANITIZED)
		skip();
	assert_int_equal(either_way(try_ptrace), -SIGSYS);
	assert_int_equal(fate(false, NULL, try_kill_parent), -SIGSYS);
	assert_int_equal(fate(true, NULL, try_kill_parent), EPERM);
}

static void case_100_threads_but_no_processes(void **state)
{
	if (SANITIZED)
		skip();
	assert_int_equal(fate(false, NULL, try_fork), -SIGSYS);
	assert_int_equal(fate(true, NULL, try_fork), EPERM);
}

static void case_100_no_network(void **state)
{
	assert_int_equal(fate(false, NULL, try_inet), EACCES);
	assert_int_equal(fate(true, NULL, try_inet), EPERM);
	assert_int_equal(fate(false, NULL, try_unix), EACCES);
	assert_int_equal(fate(true, NULL, try_unix), EPERM);
}

static void case_100_no_signals_by_way_of_descriptors(void **state)
{
	if (SANITIZED)
		skip();
	assert_int_equal(fate(false, NULL, try_signal_by_descriptor), -SIGSYS);
	assert_int_equal(fate(true, NULL, try_signal_by_descriptor), EPERM);
}

static void case_100_no_devices_but_graphics_cards(void **state)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal) | unlockpt(terminal), 0);
	setenv("TEST_TERMINAL", ptsname(terminal), 1);
	assert_int_equal(fate(true, NULL, try_dev_null), SURVIVED);
	if (has_landlock() && !SANITIZED)
		assert_int_equal(fate(true, NULL, try_read_terminal), EACCES);
	close(terminal);
}

static void case_100_no_new_code_without_windows(void **state)
{
	if (SANITIZED)
		skip();
	assert_int_equal(fate(false, NULL, try_code), -SIGSYS);
}

static void case_100_nothing_is_typed_into_a_terminal(void **state)
{
	assert_int_equal(fate(false, NULL, try_type_into_terminal), EACCES);
	assert_int_equal(fate(true, NULL, try_type_into_terminal), EPERM);
}

static void case_100_no_files_but_those_of_the_desktop(void **state)
{
	char path[] = "/tmp/test-sandbox-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	setenv("TEST_SECRET", path, 1);
	if (!SANITIZED) {
		assert_int_equal(fate(false, NULL, try_open_passwd), EACCES);
		assert_int_equal(fate(true, NULL, try_open_passwd), SURVIVED);
	}
	if (has_landlock() && !SANITIZED)
		assert_int_equal(fate(true, NULL, try_read_there), EACCES);
	if (has_landlock())
		assert_int_equal(fate(true, NULL, try_write_there), EACCES);
	unlink(path);
}

static void sockets_are_removed_where_we_listen_and_nowhere_else(void **state)
{
	char dir[] = "/tmp/test-sandbox-XXXXXX", path[80], other[64];
	const char *sockets[] = { path, NULL };

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	setenv("TEST_SOCKET", path, 1);
	assert_int_equal(fate(false, sockets, try_remove_socket), SURVIVED);
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(mkdir(other, 0700), 0);
	snprintf(path, sizeof(path), "%s/s", other);
	snprintf(other, sizeof(other), "%s/o", dir);
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	setenv("TEST_SOCKET", other, 1);
	if (has_landlock())
		assert_int_equal(fate(false, sockets, try_remove_socket), EACCES);
	unlink(other);
	snprintf(other, sizeof(other), "%s/other", dir);
	rmdir(other);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_goes_on),
		cmocka_unit_test(abort_is_still_an_abort),
		cmocka_unit_test(case_100_no_other_program_runs_here),
		cmocka_unit_test(case_100_no_io_uring),
		cmocka_unit_test(case_100_no_other_process_is_looked_into_or_told),
		cmocka_unit_test(case_100_threads_but_no_processes),
		cmocka_unit_test(case_100_no_network),
		cmocka_unit_test(case_100_no_signals_by_way_of_descriptors),
		cmocka_unit_test(case_100_no_devices_but_graphics_cards),
		cmocka_unit_test(case_100_no_new_code_without_windows),
		cmocka_unit_test(case_100_nothing_is_typed_into_a_terminal),
		cmocka_unit_test(case_100_no_files_but_those_of_the_desktop),
		cmocka_unit_test(sockets_are_removed_where_we_listen_and_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
