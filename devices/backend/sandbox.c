/* SPDX-License-Identifier: MIT */
/* System calls; files are in sandbox_files.c. */
#include "devices/backend/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

/* A seat of all devices, and what its front ends and peers may hand over. */
#define MAX_FILES 1024

struct rule {
	int call;
	unsigned arg;
	enum scmp_compare op;
	uint64_t a, b;		/* MASKED_EQ: mask, value */
};

/* The loop, vhost-user, viewers, screenshots and their threads, and the C library's end of them. */
static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(dup),
	SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(memfd_create),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(futex),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getrandom),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* What X11, Wayland and graphics drivers do beside that; connections they have by now. */
static const int desktop[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(mlock),
	SCMP_SYS(fallocate), SCMP_SYS(flock), SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmdt),
	SCMP_SYS(shmctl), SCMP_SYS(socketpair), SCMP_SYS(setsockopt),
	SCMP_SYS(getpeername), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(select),
	SCMP_SYS(pselect6), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(epoll_create1), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid),
	SCMP_SYS(getresgid), SCMP_SYS(getppid), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(getcpu), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(kcmp),
};

/* Of which nobody here has a use but an intruder. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(mount),
	SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(keyctl),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(ptrace),
};

/* Not whom a descriptor's signals go to, nor which: that would be a kill(). */
static const int fcntls[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
	F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,
};

static const struct rule common_rules[] = {
	/* Threads, no processes. */
	{ SCMP_SYS(clone), 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD },
	{ SCMP_SYS(prlimit64), 0, SCMP_CMP_EQ, 0, 0 },
	{ SCMP_SYS(prctl), 0, SCMP_CMP_EQ, PR_SET_NAME, 0 },
};

static const struct rule own_rules[] = {
	/* No code that was not there from the start. */
	{ SCMP_SYS(mmap), 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
};

static const struct rule desktop_rules[] = {
	/* Of the number's second byte: DRM, dma-buf, sync_file, and Nvidia's. */
	{ SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xff00, 'd' << 8 },
	{ SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xff00, 'b' << 8 },
	{ SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xff00, '>' << 8 },
	{ SCMP_SYS(ioctl), 1, SCMP_CMP_MASKED_EQ, 0xff00, 'F' << 8 },
	{ SCMP_SYS(ioctl), 1, SCMP_CMP_EQ, FIONREAD, 0 },
};

/* What the C library tries and lives without. */
static const int refused[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(socket), SCMP_SYS(connect),
	SCMP_SYS(ioctl), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getuid), SCMP_SYS(getcwd),
};

/* --- under sanitizers, which read /proc and stop threads from a process of theirs ------ */

#define NO_CALL INT_MIN

static const int sanitizers[] = {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(access), SCMP_SYS(getdents64), SCMP_SYS(stat), SCMP_SYS(mmap),
	SCMP_SYS(mprotect), SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(ptrace), SCMP_SYS(prctl),
	SCMP_SYS(getppid), SCMP_SYS(pipe2), SCMP_SYS(pipe), SCMP_SYS(kill), SCMP_SYS(tgkill),
	SCMP_SYS(arch_prctl), SCMP_SYS(sched_getparam), SCMP_SYS(uname), SCMP_SYS(getrusage),
#endif
	NO_CALL,
};

static bool is_sanitizers(int call)
{
	unsigned i = 0;

	while (sanitizers[i] != NO_CALL && sanitizers[i] != call)
		i++;
	return sanitizers[i] == call;
}

/* --- the filter ------------------------------------------------------------------------ */

struct filter {
	scmp_filter_ctx ctx;
	int ret;		/* the first error */
};

static void add_calls(struct filter *f, uint32_t action, const int *calls, unsigned n)
{
	for (unsigned i = 0; i < n && f->ret == 0; i++)
		if (calls == sanitizers || !is_sanitizers(calls[i]))
			f->ret = seccomp_rule_add(f->ctx, action, calls[i], 0);
}

static void add_rules(struct filter *f, const struct rule *rules, unsigned n)
{
	for (unsigned i = 0; i < n && f->ret == 0; i++) {
		const struct rule *r = &rules[i];
		const struct scmp_arg_cmp cmp = {
			.arg = r->arg, .op = r->op, .datum_a = r->a, .datum_b = r->b,
		};

		if (!is_sanitizers(r->call))
			f->ret = seccomp_rule_add_array(f->ctx, SCMP_ACT_ALLOW, r->call, 1, &cmp);
	}
}

static void add_fcntls(struct filter *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fcntls); i++)
		add_rules(f, &(struct rule){ SCMP_SYS(fcntl), 1, SCMP_CMP_EQ, fcntls[i], 0 }, 1);
}

/* What abort() and handlers of signals send, to ourselves. */
static void add_raise(struct filter *f)
{
	const struct rule raise = { SCMP_SYS(tgkill), 0, SCMP_CMP_EQ, getpid(), 0 };

	add_rules(f, &raise, 1);
}

static void add_all(struct filter *f, bool windows)
{
	add_calls(f, SCMP_ACT_ALLOW, sanitizers, ARRAY_SIZE(sanitizers) - 1);
	add_calls(f, SCMP_ACT_ALLOW, common, ARRAY_SIZE(common));
	add_rules(f, common_rules, ARRAY_SIZE(common_rules));
	add_fcntls(f);
	add_raise(f);
	/* Its flags cannot be seen: the C library makes a clone() of it. */
	if (f->ret == 0)
		f->ret = seccomp_rule_add(f->ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (windows) {
		add_calls(f, SCMP_ACT_ALLOW, desktop, ARRAY_SIZE(desktop));
		add_rules(f, desktop_rules, ARRAY_SIZE(desktop_rules));
		add_calls(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));
	} else {
		add_rules(f, own_rules, ARRAY_SIZE(own_rules));
		add_calls(f, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_SIZE(refused));
	}
}

static int load_filter(bool windows)
{
	struct filter f = {
		.ctx = seccomp_init(windows ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS),
	};

	if (!f.ctx)
		return -ENOMEM;
	add_all(&f, windows);
	/* All threads; and a tree to search in, not a list. */
	if (f.ret == 0)
		f.ret = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (f.ret == 0)
		f.ret = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (f.ret == 0)
		f.ret = seccomp_load(f.ctx);
	seccomp_release(f.ctx);
	return f.ret;
}

/* --- limits ------------------------------------------------------------------------------ */

static int lower_limit(int what, rlim_t to)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -errno;
	now.rlim_max = MIN(now.rlim_max, to);
	now.rlim_cur = MIN(now.rlim_cur, now.rlim_max);
	return setrlimit(what, &now) < 0 ? -errno : 0;
}

static int lower_limits(void)
{
	int ret = lower_limit(RLIMIT_NOFILE, MAX_FILES);

	if (ret == 0)
		ret = lower_limit(RLIMIT_MSGQUEUE, 0);
	return ret == 0 ? lower_limit(RLIMIT_RTPRIO, 0) : ret;
}

int sandbox_calls(bool windows)
{
	int ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : lower_limits();

	if (ret == 0)
		ret = load_filter(windows);
	if (ret < 0)
		log_error("no sandbox: %s (sandbox=off goes without)", strerror(-ret));
	return ret;
}
