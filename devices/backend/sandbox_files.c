/* SPDX-License-Identifier: MIT */
/* Files, by Landlock (Documentation/userspace-api/landlock.rst). */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/backend/sandbox.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Devices of graphics cards. */
#define USE (READ | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* Files that are memory to be shared, made and removed at once. */
#define SHARE (USE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define LISTEN (LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |                       \
		LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* All of the first version; what is not here nobody can do who has none of these. */
#define ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
/* Of what is no directory. */
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* Where libraries may make files to be shared. */
#define SHARED_FILES "/dev/shm"

struct place {
	const char *variable;	/* of the environment, in front; NULL: none */
	const char *path;
	uint64_t access;
};

/*
 * Libraries, their configuration, fonts and pointers; the desktop's key; graphics
 * cards, and no other devices. Not the drivers' caches of shaders, nor XDG_RUNTIME_DIR:
 * other programs run what is in there.
 */
static const struct place places[] = {
	{ NULL, "/usr", READ },
	{ NULL, "/lib", READ },
	{ NULL, "/lib64", READ },
	{ NULL, "/opt", READ },
	{ NULL, "/nix", READ },
	{ NULL, "/gnu", READ },
	{ NULL, "/etc", READ },
	{ NULL, "/var/lib/dbus", READ },
	{ NULL, "/run/opengl-driver", READ },
	{ NULL, "/sys", READ },
	{ NULL, "/proc", READ },
	{ NULL, "/dev", LANDLOCK_ACCESS_FS_READ_DIR },
	{ NULL, "/dev/null", USE },
	{ NULL, "/dev/zero", USE },
	{ NULL, "/dev/random", READ },
	{ NULL, "/dev/urandom", READ },
	{ NULL, "/dev/dri", USE },
	{ NULL, "/dev/udmabuf", USE },
	{ NULL, "/dev/mali0", USE },
	{ NULL, "/dev/kgsl-3d0", USE },
	{ NULL, "/dev/nvidiactl", USE },
	{ NULL, "/dev/nvidia0", USE },
	{ NULL, "/dev/nvidia1", USE },
	{ NULL, "/dev/nvidia2", USE },
	{ NULL, "/dev/nvidia3", USE },
	{ NULL, "/dev/nvidia-modeset", USE },
	{ NULL, "/dev/nvidia-uvm", USE },
	{ NULL, SHARED_FILES, SHARE },
	{ "XAUTHORITY", "", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "HOME", "/.Xauthority", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "HOME", "/.icons", READ },
	{ "HOME", "/.local/share/icons", READ },
	{ "LD_LIBRARY_PATH", "", READ },
};

/* What is not there needs no rule. */
static int allow(int rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr attr = { .allowed_access = access };
	struct stat st;
	int ret = 0;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return 0;
	if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		attr.allowed_access &= OF_FILES;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		ret = -errno;
	close(attr.parent_fd);
	return ret;
}

static int allow_places(int rules)
{
	int ret = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(places) && ret == 0; i++) {
		const struct place *p = &places[i];
		const char *before = p->variable ? getenv(p->variable) : "";
		char path[PATH_MAX];

		if (!before || (p->variable && *before != '/'))
			continue;
		snprintf(path, sizeof(path), "%s%s", before, p->path);
		ret = allow(rules, path, p->access);
	}
	return ret;
}

static int allow_sockets(int rules, const char *const *sockets)
{
	int ret = 0;

	for (; *sockets && ret == 0; sockets++) {
		char *copy = strdup(*sockets);

		ret = copy ? allow(rules, dirname(copy), LISTEN) : -ENOMEM;
		free(copy);
	}
	return ret;
}

/* With @rules, which are complete. */
static int enter(int rules, bool windows)
{
	int ret = windows ? allow_places(rules) : 0;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	if (ret == 0)
		ret = allow(rules, "/", READ);
#endif
	if (ret < 0)
		return ret;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -errno;
	return 0;
}

/* They are not even to be tried. */
static void without_caches(void)
{
	setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
	setenv("__GL_SHADER_DISK_CACHE", "0", 1);
}

/* SDL would have a connection to who starts programs for the user. */
static void without_bus(void)
{
	setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:", 1);
}

/*
 * What libraries share with a desktop on Wayland they put into XDG_RUNTIME_DIR, where
 * the desktop's socket is, and much else. Only that is still found there.
 */
static void without_runtime_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *name = getenv("WAYLAND_DISPLAY");
	char path[PATH_MAX];

	if (!dir || !name || !*name)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (*name != '/')
		setenv("WAYLAND_DISPLAY", path, 1);
	setenv("XDG_RUNTIME_DIR", SHARED_FILES, 1);
}

/* -1: there is no Landlock. */
static int new_rules(void)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = ALL };
	int rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	without_caches();
	without_bus();
	without_runtime_dir();
	/* Older than 5.13, or not among the modules that were chosen. */
	if (rules < 0)
		log_debug("files are not confined: landlock: %m");
	return rules;
}

static int entered(int rules, int ret)
{
	close(rules);
	if (ret < 0)
		log_error("no sandbox: landlock: %s (sandbox=off goes without)",
			  strerror(-ret));
	return ret;
}

int sandbox_files(bool windows, const char *const *sockets)
{
	int rules = new_rules(), ret;

	if (rules < 0)
		return 0;
	ret = allow_sockets(rules, sockets);
	return entered(rules, ret < 0 ? ret : enter(rules, windows));
}

int sandbox_files_out(bool windows, const char *out)
{
	int rules = new_rules(), ret = 0;

	if (rules < 0)
		return 0;
	if (out)
		ret = allow(rules, out, SHARE);
	return entered(rules, ret < 0 ? ret : enter(rules, windows));
}
