/* SPDX-License-Identifier: MIT */
/*
 * The test device's registers, for the device and for the payloads that report
 * through it (guest/payload). Constants only. The same window on PIO and MMIO:
 *
 *     +0x00  R   4     TESTDEV_MAGIC
 *     +0x04  W   4     result: ends the VM, 0 = good
 *     +0x08  W   4     time mark
 *     +0x0c  W   1     a character for the terminal or log
 *     +0x10  RW  1-8   scratch, 8 bytes
 *     +0x18  W   4     interrupt line: bit 0 its level
 *     +0x1c  RW  4     doorbell count: writes go to an eventfd, reads count them
 *
 * Other offsets read 0.
 */
#ifndef MICROVM_TESTDEV_REGS_H
#define MICROVM_TESTDEV_REGS_H

#define TESTDEV_LEN 0x20
#define TESTDEV_MAGIC 0x6474766d	/* "mvtd" */
#define TESTDEV_ID 0x00
#define TESTDEV_RESULT 0x04
#define TESTDEV_MARK 0x08
#define TESTDEV_PUTC 0x0c
#define TESTDEV_SCRATCH 0x10
#define TESTDEV_IRQ 0x18
#define TESTDEV_DOORBELL 0x1c

#endif
