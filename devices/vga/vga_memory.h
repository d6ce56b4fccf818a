/* SPDX-License-Identifier: MIT */
/*
 * What a VGA card's vram and its canvas are made of: one memfd, sealed against
 * shrinking, that other processes can look at. The guest has vram by a mapping of
 * its own, whose pages can be told to tell of the next write.
 *
 * Loop thread, but for vga_memory_repair().
 */
#ifndef MICROVM_VGA_MEMORY_H
#define MICROVM_VGA_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vga_memory {
	int fd;
	uint64_t vram_len, canvas_len, canvas_at;	/* vram is at 0 */
	void *vram, *canvas;	/* the card's */
	void *guest;		/* vram once more */
	pthread_mutex_t lock;	/* a leaf */
	bool watched;		/* lock */
};

/* @vram_len: as struct vga_config has it. 0, or negative errno after one line in the log. */
int vga_memory_create(struct vga_memory *m, uint64_t vram_len);
void vga_memory_finish(struct vga_memory *m);	/* again, or zeroed: no-op */

/*
 * From now on the guest cannot write @m->guest: KVM_RUN fails with EFAULT, without the
 * instruction having had an effect, until vga_memory_repair().
 */
void vga_memory_watch(struct vga_memory *m);
/* It can again. True if it could not. Any thread. */
bool vga_memory_repair(struct vga_memory *m);
/* All of it reads as zeros. No vCPU runs. */
void vga_memory_clear(struct vga_memory *m);

#endif
