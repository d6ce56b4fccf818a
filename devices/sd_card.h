/* SPDX-License-Identifier: MIT */
/*
 * An SD card (SD Specifications, Part 1, Physical Layer Simplified Specification 6.00) with
 * a disk of the host's inside: high capacity, 1 and 4 bits, high speed. A host
 * controller sends it commands and moves data; what has to come from the disk or go
 * there does so on the loop, and changed() says when it has.
 *
 * Commands and data under the lock of the host controller, by any thread; changed() on
 * the loop thread with that lock. A capacity that is no multiple of 512 KiB loses what is
 * beyond.
 */
#ifndef MICROVM_SD_CARD_H
#define MICROVM_SD_CARD_H

#include <pthread.h>

#include "devices/backend/disk.h"

#define SD_BLOCK 512
#define SD_CARD_UNIT (512u << 10)	/* of its capacity, one at least */
#define SD_CARD_CHUNK (64u << 10)	/* bytes to or from the disk at once */

enum sd_response {
	SD_NO_RESPONSE,		/* nobody answers: the host's time runs out */
	SD_DONE,		/* a command that has none */
	SD_SHORT,		/* resp[0] */
	SD_LONG,		/* all four, bits 31 to 0 first */
};

enum sd_data { SD_DATA_NONE, SD_DATA_REGISTER, SD_DATA_READ, SD_DATA_WRITE };

struct sd_card {
	pthread_mutex_t *lock;
	void (*changed)(void *ctx);
	void *ctx;
	struct loop *loop;
	struct disk *disk;	/* owned */
	uint32_t blocks;
	bool readonly;

	unsigned state;		/* 4.10.1, CURRENT_STATE */
	uint32_t errors;	/* of the card status, until they were read */
	uint16_t rca;
	bool app, wide, high_speed;
	uint32_t block_count;	/* CMD23, for the next command; 0: none */
	bool counted;		/* the transfer ends by itself */

	enum sd_data data;
	uint8_t regs[64];	/* what SD_DATA_REGISTER reads */
	uint8_t buf[SD_CARD_CHUNK];
	unsigned pos, len;	/* of regs or buf */
	uint32_t next, left;	/* blocks, as the disk goes */
	uint32_t written;	/* ACMD22 */
	bool failed;		/* the disk did not do it */

	bool wanted, in_flight;
	unsigned generation, flight_generation;
	uint32_t flight_len;
	struct loop_work work;
	struct disk_request req;
	struct iovec iov;
};

/*
 * Takes @disk over, which sd_card_finish() closes, if this is 0; -EINVAL after one line
 * in the log for one that is too small or has blocks of more than 512 bytes. Loop thread.
 */
int sd_card_init(struct sd_card *card, struct loop *loop, struct disk *disk, pthread_mutex_t *lock,
		 void (*changed)(void *ctx), void *ctx);
void sd_card_finish(struct sd_card *card);	/* loop thread, without the lock */
/* Power off and on; what has been written stays written. */
void sd_card_reset(struct sd_card *card);

/* @blocks: what the host will move with a data command if CMD23 said nothing; 1 at least. */
enum sd_response sd_card_command(struct sd_card *card, unsigned cmd, uint32_t arg, uint32_t blocks,
				 uint32_t resp[4]);

/* Bytes that are there to be read, or for which there is room. */
unsigned sd_card_readable(const struct sd_card *card);
unsigned sd_card_writable(const struct sd_card *card);
/* As many as that at most. */
void sd_card_read(struct sd_card *card, void *data, unsigned len);
void sd_card_write(struct sd_card *card, const void *data, unsigned len);
/* Whether it holds the data line low: what was written is not yet on the disk. */
bool sd_card_busy(const struct sd_card *card);

#endif
