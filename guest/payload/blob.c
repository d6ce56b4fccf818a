/* SPDX-License-Identifier: MIT */
/*
 * Memory of the host's in the guest: a blob of the graphics card, whose memory its
 * renderer has, is mapped into the shared-memory region, read and written, seen again
 * at another place, and gone when it is unmapped, freed or the card is reset. Over
 * PCI the region moves with its BAR.
 *
 * ALSO ON: arm64 armv7
 * RUN: --gpu virgl,venus,hostmem=32M,display=none,vga=off,bus=pci
 * RUN: --gpu virgl,venus,hostmem=32M,display=none,bus=mmio
 */
#include <linux/virtio_gpu.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/virtio.h"

#define CAPSET_VENUS 4	/* <linux/virtio_gpu.h> has it since 6.6 */
#define FEATURES                                                                                   \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_RESOURCE_BLOB) |     \
	 BIT(VIRTIO_GPU_F_CONTEXT_INIT))
#define HOSTMEM (32u << 20)
#define SIZE 0x10000u
#define SHM_BAR 4
#define ELSEWHERE (2u << 20)

static struct virtio card;
static struct virtq control;
static uint64_t window;

/* --- where the region is (4.1.4.7, 4.2.2) ------------------------------------- */

static bool find_on_pci(uint64_t *len)
{
	struct pci_bar bar;
	unsigned cap;

	for (unsigned n = 0; (cap = pci_capability(card.slot, PCI_CAP_ID_VNDR, n)); n++) {
		if (pci_read8(card.slot, cap + VIRTIO_PCI_CAP_CFG_TYPE) !=
		    VIRTIO_PCI_CAP_SHARED_MEMORY_CFG)
			continue;
		CHECK_EQ(pci_read8(card.slot, cap + 5), VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
		CHECK_EQ(pci_read8(card.slot, cap + VIRTIO_PCI_CAP_BAR), SHM_BAR);
		bar = pci_bar_get(card.slot, SHM_BAR);
		window = bar.addr + pci_read32(card.slot, cap + VIRTIO_PCI_CAP_OFFSET);
		*len = pci_read32(card.slot, cap + VIRTIO_PCI_CAP_LENGTH);
		CHECK(bar.wide && bar.size >= *len);
		return true;
	}
	return false;
}

static uint64_t mmio_read64(unsigned reg)
{
	return read32(card.regs + reg) | (uint64_t)read32(card.regs + reg + 4) << 32;
}

static bool find_on_mmio(uint64_t *len)
{
	write32(card.regs + VIRTIO_MMIO_SHM_SEL, VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
	*len = mmio_read64(VIRTIO_MMIO_SHM_LEN_LOW);
	window = mmio_read64(VIRTIO_MMIO_SHM_BASE_LOW);
	return *len != UINT64_MAX;
}

/* Without OpenGL or Vulkan on the host there is none. */
static void find_region(void)
{
	uint64_t len;

	if (!(virtio_offered(&card) & BIT(VIRTIO_GPU_F_VIRGL)) ||
	    !(card.slot ? find_on_pci(&len) : find_on_mmio(&len))) {
		print("the renderer has no memory to share\n");
		result(PAYLOAD_SKIP);
	}
	print("region at 0x%llx on %s\n", (unsigned long long)window, card.bus);
	CHECK_EQ(len, HOSTMEM);
	mem_map(window, len);
}

/* --- commands -------------------------------------------------------------------- */

static uint32_t command(uint32_t type, void *cmd, uint32_t len)
{
	static struct virtio_gpu_resp_map_info answer;
	struct virtio_gpu_ctrl_hdr *hdr = cmd;

	hdr->type = type;
	hdr->ctx_id = 1;
	answer.hdr.type = 0;
	virtq_set_desc(&control, 0, gpa_of(cmd), len, VRING_DESC_F_NEXT, 1);
	virtq_set_desc(&control, 1, gpa_of(&answer), sizeof(answer), VRING_DESC_F_WRITE, 0);
	virtq_add(&control, 0);
	virtq_kick(&control);
	CHECK_EQ(virtq_wait(&control).id, 0);
	return ((volatile struct virtio_gpu_resp_map_info *)&answer)->hdr.type;
}

static uint32_t create(uint32_t id)
{
	static struct virtio_gpu_resource_create_blob c;

	c = (struct virtio_gpu_resource_create_blob){
		.resource_id = id, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .size = SIZE,
	};
	return command(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, &c, sizeof(c));
}

static uint32_t map(uint32_t id, uint64_t off)
{
	static struct virtio_gpu_resource_map_blob c;

	c = (struct virtio_gpu_resource_map_blob){ .resource_id = id, .offset = off };
	return command(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, &c, sizeof(c));
}

static uint32_t unmap(uint32_t id)
{
	static struct virtio_gpu_resource_unmap_blob c;

	c = (struct virtio_gpu_resource_unmap_blob){ .resource_id = id };
	return command(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, &c, sizeof(c));
}

static uint32_t unref(uint32_t id)
{
	static struct virtio_gpu_resource_unref c;

	c = (struct virtio_gpu_resource_unref){ .resource_id = id };
	return command(VIRTIO_GPU_CMD_RESOURCE_UNREF, &c, sizeof(c));
}

static void start(void)
{
	static struct virtio_gpu_ctx_create c;

	virtio_negotiate(&card, FEATURES);
	virtq_enable(&control);
	virtio_driver_ok(&card);
	c = (struct virtio_gpu_ctx_create){ .nlen = 4, .context_init = CAPSET_VENUS };
	memcpy(c.debug_name, "blob", 4);
	CHECK_EQ(command(VIRTIO_GPU_CMD_CTX_CREATE, &c, sizeof(c)), VIRTIO_GPU_RESP_OK_NODATA);
}

/* --- what is seen ------------------------------------------------------------------ */

static void put_marks(uint64_t off)
{
	for (uint32_t i = 0; i < SIZE; i += 512)
		write64(window + off + i, i ^ 0x5eedull);
}

static void check_marks(uint64_t off)
{
	for (uint32_t i = 0; i < SIZE; i += 512)
		CHECK_EQ(read64(window + off + i), i ^ 0x5eedull);
}

static void check_zeros(uint64_t off)
{
	for (uint32_t i = 0; i < SIZE; i += 512)
		CHECK_EQ(read64(window + off + i), 0);
}

static void test_two_places(void)
{
	CHECK_EQ(create(1), VIRTIO_GPU_RESP_OK_NODATA);
	check_zeros(0);
	CHECK_EQ(map(1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	check_zeros(0);
	put_marks(0);
	check_marks(0);
	CHECK_EQ(map(1, ELSEWHERE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	CHECK_EQ(unmap(1), VIRTIO_GPU_RESP_OK_NODATA);
	check_zeros(0);
	CHECK_EQ(unmap(1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	CHECK_EQ(map(1, ELSEWHERE), VIRTIO_GPU_RESP_OK_MAP_INFO);
	check_marks(ELSEWHERE);
	check_zeros(0);
}

static void test_two_blobs(void)
{
	CHECK_EQ(create(2), VIRTIO_GPU_RESP_OK_NODATA);
	CHECK_EQ(map(2, ELSEWHERE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	CHECK_EQ(map(2, HOSTMEM), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	CHECK_EQ(map(2, HOSTMEM - SIZE), VIRTIO_GPU_RESP_OK_MAP_INFO);
	check_zeros(HOSTMEM - SIZE);
	check_marks(ELSEWHERE);
	CHECK_EQ(unref(2), VIRTIO_GPU_RESP_OK_NODATA);
}

/* What is between pieces is memory of no consequence. */
static void test_between(void)
{
	write64(window + HOSTMEM / 2, 1);
	read64(window + HOSTMEM / 2 + PAGE_SIZE);
	check_marks(ELSEWHERE);
}

static void test_other_place(void)
{
	struct pci_bar bar = pci_bar_get(card.slot, SHM_BAR);
	uint64_t old = window;

	pci_bar_set(card.slot, SHM_BAR, bar.addr + bar.size);
	window += bar.size;
	mem_map(window, bar.size);
	check_marks(ELSEWHERE);
	CHECK_EQ(read32(old + ELSEWHERE), 0xffffffff);
	pci_bar_set(card.slot, SHM_BAR, bar.addr);
	window = old;
	check_marks(ELSEWHERE);
}

/* Over RAM, this program's own, and over what else is below 4 GiB: that stays what it is. */
static void test_impossible_places(void)
{
	static const uint64_t places[] = { 0, 0xfe000000, ~0ull << 32 | 0xfe000000 };
	struct pci_bar bar = pci_bar_get(card.slot, SHM_BAR);
	volatile uint64_t word = 0x1234;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		pci_bar_set(card.slot, SHM_BAR, places[i]);
		CHECK_EQ(word, 0x1234);
		CHECK_EQ(unmap(1), VIRTIO_GPU_RESP_OK_NODATA);
		CHECK_EQ(map(1, ELSEWHERE), VIRTIO_GPU_RESP_OK_MAP_INFO);
		pci_bar_set(card.slot, SHM_BAR, bar.addr);
		check_marks(ELSEWHERE);
	}
}

int payload(void)
{
	virtio_find(&card, VIRTIO_ID_GPU);
	find_region();
	virtq_alloc(&control, &card, 0);
	start();
	test_two_places();
	test_two_blobs();
	test_between();
	if (card.slot) {
		test_other_place();
		test_impossible_places();
	}
	CHECK_EQ(unref(1), VIRTIO_GPU_RESP_OK_NODATA);
	check_zeros(ELSEWHERE);
	CHECK_EQ(create(1), VIRTIO_GPU_RESP_OK_NODATA);
	CHECK_EQ(map(1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	put_marks(0);
	virtio_reset(&card);
	check_zeros(0);
	start();
	CHECK_EQ(map(1, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	return PAYLOAD_GOOD;
}
