/* SPDX-License-Identifier: MIT */
/*
 * A virtual CPU and its thread: KVM_RUN in a loop, each exit served on the
 * spot by the buses or the architecture.
 *
 * vcpu_create() and vcpu_destroy() on the main thread, around each boot of the
 * guest; vcpu_start(), then vcpu_kick() from any thread to make it look at
 * vcpu->stop, then vcpu_join().
 */
#ifndef MICROVM_VCPU_H
#define MICROVM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VCPU_SIGNAL SIGRTMIN	/* makes a thread leave KVM_RUN */
#define VCPU_MAX_REASONS 48	/* KVM_EXIT_... above are counted with the last */

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	_Atomic uint64_t exits[VCPU_MAX_REASONS];	/* written by the thread, read by any */
};

/* Once in main(), before the first vCPU: the signal that vcpu_kick() sends. */
void vcpu_init_signals(void);

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_start(struct vcpu *vcpu);
/* Makes the thread leave KVM_RUN soon; it then ends if vcpu->stop is set. */
void vcpu_kick(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);
/* Name of a KVM_EXIT_... for messages and statistics. */
const char *vcpu_exit_name(unsigned reason);

/* ioctl on the vCPU that logs its name when it fails: 0 or more, or negative errno. */
int vcpu_ioctl(struct vcpu *vcpu, const char *name, unsigned long request, void *arg);

#endif
