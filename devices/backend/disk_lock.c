/* SPDX-License-Identifier: MIT */
/*
 * Locks that QEMU understands, as its documentation and its use of fcntl(2)
 * show them (docs/system/qemu-block-drivers, "disk image file locking").
 *
 * Each byte stands for a permission. Whoever has it holds a shared lock on
 * byte 100 + permission; whoever does not let others have it holds one on
 * 200 + permission. So nobody ever waits or is refused by the kernel: one
 * takes its locks first and then looks whether they contradict another's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "devices/backend/disk_impl.h"
#include "vmm/util.h"

#define HELD_BASE 100
#define DENIED_BASE 200

enum { PERM_READ, PERM_WRITE, PERM_WRITE_UNCHANGED, PERM_RESIZE, PERMS };

/* What no two may do, and what a reader does not want to happen under it. */
#define PERMS_DENIED (BIT(PERM_WRITE) | BIT(PERM_RESIZE))

static struct flock lock_of(int type, off_t byte)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
}

static int lock_bytes(int fd, off_t base, unsigned perms)
{
	for (unsigned i = 0; i < PERMS; i++) {
		struct flock lock = lock_of(F_RDLCK, base + i);

		if (perms & BIT(i) && fcntl(fd, F_OFD_SETLK, &lock) < 0)
			return -errno;
	}
	return 0;
}

/* Whether another open file holds one of them. */
static bool bytes_held(int fd, off_t base, unsigned perms)
{
	for (unsigned i = 0; i < PERMS; i++) {
		struct flock lock = lock_of(F_WRLCK, base + i);

		if (perms & BIT(i) && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
			return true;
	}
	return false;
}

int disk_lock(int fd, const char *path, bool readonly)
{
	unsigned perms = BIT(PERM_READ) | (readonly ? 0 : BIT(PERM_WRITE));
	int ret = lock_bytes(fd, HELD_BASE, perms);

	if (ret == 0)
		ret = lock_bytes(fd, DENIED_BASE, PERMS_DENIED);
	if (ret < 0 && ret != -EAGAIN && ret != -EACCES) {
		log_warn("disk %s: cannot be locked (%s): nothing keeps another VM from writing it",
			 path, strerror(-ret));
		return 0;
	}
	if (ret == 0 && !bytes_held(fd, DENIED_BASE, perms) &&
	    !bytes_held(fd, HELD_BASE, PERMS_DENIED))
		return 0;
	log_error("disk %s: in use by another VM%s", path,
		  readonly ? " that may write it" : "; VMs can share a disk that all open with ,ro");
	return -EBUSY;
}
