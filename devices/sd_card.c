/* SPDX-License-Identifier: MIT */
/* Sections are those of the SD Physical Layer Simplified Specification 6.00. */
#include "devices/sd_card.h"

#include <errno.h>

#include "vmm/log.h"
#include "vmm/util.h"

enum { IDLE, READY, IDENT, STANDBY, TRANSFER, SENDING, RECEIVING, PROGRAMMING };

/* 4.10.1 */
#define STATUS_OUT_OF_RANGE BIT(31)
#define STATUS_WP_VIOLATION BIT(26)
#define STATUS_ILLEGAL BIT(22)
#define STATUS_ERROR BIT(19)
#define STATUS_READY_FOR_DATA BIT(8)
#define STATUS_APP BIT(5)
#define STATUS_STATE 9

#define OCR_READY BIT(31)
#define OCR_HIGH_CAPACITY BIT(30)
#define OCR_VOLTAGES 0x00ff8000u

#define CARD_RCA 0x4d56
#define CHUNK_BLOCKS (SD_CARD_CHUNK / SD_BLOCK)

/* --- registers of the card --------------------------------------------------------- */

/* 4.5 */
static uint8_t sd_crc7(const uint8_t *data, unsigned len)
{
	uint8_t crc = 0;

	for (unsigned i = 0; i < len * 8; i++) {
		bool bit = (data[i / 8] >> (7 - i % 8) & 1) ^ (crc >> 6 & 1);

		crc = (crc << 1 & 0x7f) ^ (bit ? 0x09 : 0);
	}
	return crc << 1 | 1;
}

/* @reg: 16 bytes, the highest first, of which the last is for the checksum. */
static enum sd_response sd_long(uint8_t reg[16], uint32_t resp[4])
{
	reg[15] = sd_crc7(reg, 15);
	for (unsigned i = 0; i < 4; i++)
		resp[3 - i] = (uint32_t)reg[i * 4] << 24 | reg[i * 4 + 1] << 16 |
			      reg[i * 4 + 2] << 8 | reg[i * 4 + 3];
	return SD_LONG;
}

/* 5.2 */
static enum sd_response sd_cid(uint32_t resp[4])
{
	uint8_t cid[16] = { 0, 'M', 'V', 'M', 'I', 'C', 'R', 'O', 0x10, 0, 0, 0, 1, 0x01, 0x71 };

	return sd_long(cid, resp);
}

/* 5.3.3: version 2; classes 0, 2, 4, 8 and 10, so neither erasing nor locking. */
static enum sd_response sd_csd(const struct sd_card *card, uint32_t resp[4])
{
	uint32_t size = card->blocks / (SD_CARD_UNIT / SD_BLOCK) - 1;
	uint8_t csd[16] = {
		0x40, 0x0e, 0x00, card->high_speed ? 0x5a : 0x32, 0x51, 0x59, 0x00,
		size >> 16 & 0x3f, size >> 8, size, 0x7f, 0x80, 0x0a, 0x40,
		card->readonly ? 0x10 : 0,
	};

	return sd_long(csd, resp);
}

static void sd_stop_data(struct sd_card *card)
{
	card->data = SD_DATA_NONE;
	card->wanted = card->failed = false;
	card->pos = card->len = 0;
	card->left = 0;
	card->generation++;
}

static void sd_send_register(struct sd_card *card, unsigned len)
{
	/* An error of the transfer before is none of this one's. */
	sd_stop_data(card);
	card->state = SENDING;
	card->data = SD_DATA_REGISTER;
	card->len = len;
}

/* 5.6: version 3.0, 1 and 4 bits, CMD23. */
static void sd_send_scr(struct sd_card *card)
{
	static const uint8_t scr[8] = { 0x02, 0x05, 0x80, 0x02 };

	memcpy(card->regs, scr, sizeof(scr));
	sd_send_register(card, sizeof(scr));
}

/* 4.10.2 */
static void sd_send_status(struct sd_card *card)
{
	memset(card->regs, 0, 64);
	card->regs[0] = card->wide ? 0x80 : 0;
	sd_send_register(card, 64);
}

/* 4.3.10.4; of the functions only high speed is one. */
static void sd_switch(struct sd_card *card, uint32_t arg)
{
	unsigned wanted = arg & 0xf, now = card->high_speed;

	memset(card->regs, 0, 64);
	card->regs[1] = 100;	/* mA */
	for (unsigned group = 0; group < 6; group++)
		card->regs[3 + group * 2] = group == 5 ? 3 : 1;
	if (wanted <= 1)
		now = wanted;
	card->regs[16] = wanted <= 1 || wanted == 0xf ? now : 0xf;
	if (arg & BIT(31))
		card->high_speed = now;
	sd_send_register(card, 64);
}

/* --- the disk ------------------------------------------------------------------------ */

static void sd_want(struct sd_card *card)
{
	card->wanted = true;
	if (!card->in_flight)
		loop_post(card->loop, &card->work);
}

/* Loop thread. */
static void sd_submit(void *arg)
{
	struct sd_card *card = arg;
	uint64_t len;

	pthread_mutex_lock(card->lock);
	if (!card->wanted || card->in_flight) {
		pthread_mutex_unlock(card->lock);
		return;
	}
	card->wanted = false;
	card->in_flight = true;
	card->flight_generation = card->generation;
	len = card->data == SD_DATA_WRITE ? card->len :
	      (uint64_t)MIN(card->left, CHUNK_BLOCKS) * SD_BLOCK;
	card->flight_len = len;
	card->iov = (struct iovec){ card->buf, len };
	card->req = (struct disk_request){
		.op = card->data == SD_DATA_WRITE ? DISK_WRITE : DISK_READ,
		/* The guest has no command to ask for that, and takes it for granted. */
		.stable = card->data == SD_DATA_WRITE,
		.off = (uint64_t)card->next * SD_BLOCK,
		.len = len,
		.iov = &card->iov,
		.n_iov = 1,
	};
	pthread_mutex_unlock(card->lock);
	disk_submit(card->disk, &card->req);
	disk_commit(card->disk);
}

static void sd_moved(struct sd_card *card)
{
	/* The disk counts down in the request itself. */
	uint32_t n = card->flight_len / SD_BLOCK;

	card->next += n;
	card->left -= n;
	card->pos = 0;
	if (card->data == SD_DATA_READ) {
		card->len = card->flight_len;
		return;
	}
	card->len = 0;
	card->written += n;
	if (card->state == PROGRAMMING)
		card->state = card->left && card->data == SD_DATA_WRITE ? RECEIVING : TRANSFER;
}

static void sd_failed(struct sd_card *card)
{
	card->errors |= STATUS_ERROR;
	card->failed = true;
	card->pos = card->len = 0;
	card->left = 0;
	if (card->state == PROGRAMMING)
		card->state = TRANSFER;
}

static void sd_disk_done(void *arg, struct disk_request *batch)
{
	struct sd_card *card = arg;

	pthread_mutex_lock(card->lock);
	card->in_flight = false;
	if (card->flight_generation == card->generation) {
		if (card->req.ret < 0)
			sd_failed(card);
		else
			sd_moved(card);
	}
	if (card->wanted)
		loop_post(card->loop, &card->work);
	card->changed(card->ctx);
	pthread_mutex_unlock(card->lock);
}

/* --- data ---------------------------------------------------------------------------- */

unsigned sd_card_readable(const struct sd_card *card)
{
	bool reads = card->data == SD_DATA_READ || card->data == SD_DATA_REGISTER;

	return reads && card->state == SENDING ? card->len - card->pos : 0;
}

void sd_card_read(struct sd_card *card, void *data, unsigned len)
{
	const uint8_t *from = card->data == SD_DATA_REGISTER ? card->regs : card->buf;

	if (!len)
		return;
	memcpy(data, from + card->pos, len);
	card->pos += len;
	if (card->pos < card->len)
		return;
	card->pos = card->len = 0;
	if (card->data == SD_DATA_READ && card->left) {
		sd_want(card);
	} else if (card->data == SD_DATA_REGISTER || card->counted) {
		card->state = TRANSFER;
		sd_stop_data(card);
	}
}

/* What the disk takes next: all that is to come, or as much as there is room for. */
static unsigned sd_chunk(const struct sd_card *card)
{
	return MIN(card->left, CHUNK_BLOCKS) * SD_BLOCK;
}

unsigned sd_card_writable(const struct sd_card *card)
{
	if (card->data != SD_DATA_WRITE || card->state != RECEIVING || card->in_flight)
		return 0;
	return sd_chunk(card) - card->len;
}

void sd_card_write(struct sd_card *card, const void *data, unsigned len)
{
	if (!len)
		return;
	memcpy(card->buf + card->len, data, len);
	card->len += len;
	if (card->len < sd_chunk(card))
		return;
	card->state = PROGRAMMING;
	sd_want(card);
}

bool sd_card_busy(const struct sd_card *card)
{
	return card->state == PROGRAMMING;
}

/* 4.3.3, 4.3.4 */
static uint32_t sd_start(struct sd_card *card, uint32_t arg, bool write, uint32_t blocks)
{
	if (write && card->readonly)
		return STATUS_WP_VIOLATION;
	if (arg >= card->blocks)
		return STATUS_OUT_OF_RANGE;
	sd_stop_data(card);
	card->data = write ? SD_DATA_WRITE : SD_DATA_READ;
	card->state = write ? RECEIVING : SENDING;
	card->next = arg;
	card->left = MIN(blocks, card->blocks - arg);
	card->written = 0;
	if (blocks > card->left)
		card->errors |= STATUS_OUT_OF_RANGE;
	if (!write)
		sd_want(card);
	return 0;
}

/* CMD12: whole blocks that have come are written, half ones are not. */
static void sd_stop(struct sd_card *card)
{
	unsigned whole = card->len / SD_BLOCK * SD_BLOCK;

	card->block_count = 0;
	if (card->state == RECEIVING && card->data == SD_DATA_WRITE && whole) {
		card->len = whole;
		card->left = whole / SD_BLOCK;
		card->state = PROGRAMMING;
		sd_want(card);
	} else if (card->state == PROGRAMMING && card->data == SD_DATA_WRITE) {
		/* Nothing follows what is on its way. */
		card->left = MIN(card->left, card->len / SD_BLOCK);
	} else {
		card->state = TRANSFER;
		sd_stop_data(card);
	}
}

/* --- commands ------------------------------------------------------------------------ */

/* 4.10.1; the state is the one in which the command came. */
static enum sd_response sd_r1(struct sd_card *card, unsigned state, uint32_t errors,
			      uint32_t resp[4])
{
	resp[0] = card->errors | errors | state << STATUS_STATE |
		  (state == TRANSFER ? STATUS_READY_FOR_DATA : 0) | (card->app ? STATUS_APP : 0);
	card->errors = 0;
	return SD_SHORT;
}

static enum sd_response sd_illegal(struct sd_card *card)
{
	card->errors |= STATUS_ILLEGAL;
	card->app = false;
	return SD_NO_RESPONSE;
}

/* 4.2.3: a card of high capacity waits for a host that knows of them. */
static enum sd_response sd_op_cond(struct sd_card *card, uint32_t arg, uint32_t resp[4])
{
	if (card->state != IDLE)
		return sd_illegal(card);
	resp[0] = OCR_VOLTAGES;
	if ((arg & OCR_VOLTAGES) && (arg & OCR_HIGH_CAPACITY)) {
		resp[0] |= OCR_READY | OCR_HIGH_CAPACITY;
		card->state = READY;
	}
	card->app = false;
	return SD_SHORT;
}

static enum sd_response sd_app_command(struct sd_card *card, unsigned cmd, uint32_t arg,
				       uint32_t resp[4])
{
	unsigned state = card->state;
	enum sd_response ret;

	if (cmd == 41)
		return sd_op_cond(card, arg, resp);
	if (state != TRANSFER)
		return sd_illegal(card);
	switch (cmd) {
	case 6:
		card->wide = (arg & 3) == 2;
		break;
	case 13:
		sd_send_status(card);
		break;
	case 22:
		for (unsigned i = 0; i < 4; i++)
			card->regs[i] = card->written >> (24 - 8 * i);
		sd_send_register(card, 4);
		break;
	case 23:	/* how much to erase ahead */
	case 42:	/* the pull-up */
		break;
	case 51:
		sd_send_scr(card);
		break;
	default:
		return sd_illegal(card);
	}
	ret = sd_r1(card, state, 0, resp);
	card->app = false;
	return ret;
}

/* 4.2: before a card has an address. */
static enum sd_response sd_identify(struct sd_card *card, unsigned cmd, uint32_t arg,
				    uint32_t resp[4])
{
	if (cmd == 8 && card->state == IDLE && (arg >> 8 & 0xf) == 1) {
		resp[0] = arg & 0xfff;
		return SD_SHORT;
	}
	if (cmd == 2 && card->state == READY) {
		card->state = IDENT;
		return sd_cid(resp);
	}
	if (cmd == 3 && (card->state == IDENT || card->state == STANDBY)) {
		/* 4.9.5: bits 23, 22, 19 and 12 to 0 of the status beside the address. */
		resp[0] = CARD_RCA << 16 | card->state << STATUS_STATE;
		card->rca = CARD_RCA;
		card->state = STANDBY;
		return SD_SHORT;
	}
	return sd_illegal(card);
}

/* With an address in the argument; a card that is not meant keeps still. */
static enum sd_response sd_addressed(struct sd_card *card, unsigned cmd, uint32_t arg,
				     uint32_t resp[4])
{
	unsigned state = card->state;

	if (arg >> 16 != card->rca) {
		if (cmd == 7 && (state == TRANSFER || state == SENDING)) {
			sd_stop_data(card);
			card->state = STANDBY;
		}
		return SD_NO_RESPONSE;
	}
	if (cmd == 55) {
		card->app = true;
		return sd_r1(card, state, 0, resp);
	}
	if (cmd == 13 && state >= STANDBY)
		return sd_r1(card, state, 0, resp);
	if (state != STANDBY)
		return sd_illegal(card);
	if (cmd == 9)
		return sd_csd(card, resp);
	if (cmd == 10)
		return sd_cid(resp);
	if (cmd != 7)
		return sd_illegal(card);
	card->state = TRANSFER;
	return sd_r1(card, state, 0, resp);
}

static enum sd_response sd_transfer(struct sd_card *card, unsigned cmd, uint32_t arg,
				    uint32_t blocks, uint32_t resp[4])
{
	unsigned state = card->state;
	uint32_t errors = 0;

	if (cmd == 12 && (state == SENDING || state == RECEIVING || state == PROGRAMMING)) {
		sd_stop(card);
		return sd_r1(card, state, 0, resp);
	}
	if (state != TRANSFER)
		return sd_illegal(card);
	switch (cmd) {
	case 6:
		sd_switch(card, arg);
		break;
	case 12:	/* came when all was over */
	case 16:	/* blocks of high capacity have one length */
		break;
	case 23:
		card->block_count = arg;
		break;
	case 17:
	case 24:
		card->counted = true;
		errors = sd_start(card, arg, cmd == 24, 1);
		break;
	case 18:
	case 25:
		card->counted = card->block_count;
		blocks = card->counted ? card->block_count : MAX(blocks, 1u);
		card->block_count = 0;
		errors = sd_start(card, arg, cmd == 25, blocks);
		break;
	default:
		return sd_illegal(card);
	}
	return sd_r1(card, state, errors, resp);
}

enum sd_response sd_card_command(struct sd_card *card, unsigned cmd, uint32_t arg, uint32_t blocks,
				 uint32_t resp[4])
{
	if (card->app && cmd != 55)
		return sd_app_command(card, cmd, arg, resp);
	switch (cmd) {
	case 0:
		sd_card_reset(card);
		return SD_DONE;
	case 2:
	case 3:
	case 8:
		return sd_identify(card, cmd, arg, resp);
	case 7:
	case 9:
	case 10:
	case 13:
	case 55:
		return sd_addressed(card, cmd, arg, resp);
	default:
		return sd_transfer(card, cmd, arg, blocks, resp);
	}
}

/* --- life ---------------------------------------------------------------------------- */

void sd_card_reset(struct sd_card *card)
{
	sd_stop_data(card);
	card->state = IDLE;
	card->errors = 0;
	card->rca = 0;
	card->app = card->wide = card->high_speed = false;
	card->block_count = card->written = 0;
}

int sd_card_init(struct sd_card *card, struct loop *loop, struct disk *disk, pthread_mutex_t *lock,
		 void (*changed)(void *ctx), void *ctx)
{
	const struct disk_info *info = disk_info(disk);
	uint64_t units = info->size / SD_CARD_UNIT;

	memset(card, 0, sizeof(*card));
	if (!units || info->block_size > SD_BLOCK) {
		log_error("an SD card has 512 KiB at least and blocks of 512 bytes");
		return -EINVAL;
	}
	/* 5.3.3: no card has more than 2^22 units. */
	units = MIN(units, (uint64_t)1 << 22);
	if (info->size % SD_CARD_UNIT)
		log_warn("an SD card has a multiple of 512 KiB: the last %u bytes are not on it",
			 (unsigned)(info->size % SD_CARD_UNIT));
	card->lock = lock;
	card->changed = changed;
	card->ctx = ctx;
	card->loop = loop;
	card->disk = disk;
	card->blocks = MIN(units * (SD_CARD_UNIT / SD_BLOCK), (uint64_t)UINT32_MAX);
	card->readonly = info->readonly;
	card->work = (struct loop_work){ .cb = sd_submit, .arg = card };
	disk_attach(disk, sd_disk_done, card);
	sd_card_reset(card);
	return 0;
}

void sd_card_finish(struct sd_card *card)
{
	loop_cancel(card->loop, &card->work);
	disk_close(card->disk);
	/* What came back may have asked for more. */
	loop_cancel(card->loop, &card->work);
}
