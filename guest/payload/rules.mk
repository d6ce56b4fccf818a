# SPDX-License-Identifier: MIT
# Freestanding payloads: build/guest/NAME.elf from guest/payload/NAME.c, by gcc
# alone. Included by the top Makefile; `make payloads` builds them all.

PAYLOAD_DIR := guest/payload
PAYLOAD_OUT := build/guest
PAYLOADS := $(patsubst $(PAYLOAD_DIR)/%.c,$(PAYLOAD_OUT)/%.elf,$(wildcard $(PAYLOAD_DIR)/*.c))
PAYLOAD_LIB := $(patsubst $(PAYLOAD_DIR)/%,$(PAYLOAD_OUT)/%.o,\
	$(wildcard $(PAYLOAD_DIR)/lib/*.c $(PAYLOAD_DIR)/lib/*.S))

# Some KVMs emulate every instruction of ours: no SSE, nothing fancy.
PAYLOAD_CFLAGS := -std=gnu11 -O2 -m64 -march=x86-64 -ffreestanding -fno-pie -fno-pic \
	-mcmodel=small -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fno-strict-aliasing \
	-fno-common -ffunction-sections -fdata-sections \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wno-unused-parameter -Werror -I. -I$(PAYLOAD_DIR) -MMD -MP
PAYLOAD_LDFLAGS := -nostdlib -static -no-pie -Wl,-T,$(PAYLOAD_DIR)/payload.ld -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings

payloads: $(PAYLOADS)

$(PAYLOAD_OUT)/%.c.o: $(PAYLOAD_DIR)/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@gcc $(PAYLOAD_CFLAGS) -c -o $@ $<
$(PAYLOAD_OUT)/%.S.o: $(PAYLOAD_DIR)/%.S
	@mkdir -p $(@D)
	@echo "  AS    $<"
	@gcc $(PAYLOAD_CFLAGS) -c -o $@ $<
$(PAYLOADS): $(PAYLOAD_OUT)/%.elf: $(PAYLOAD_OUT)/%.c.o $(PAYLOAD_LIB) $(PAYLOAD_DIR)/payload.ld
	@echo "  LINK  $@"
	@gcc $(PAYLOAD_LDFLAGS) -o $@ $(filter %.o,$^)

.PHONY: payloads
.PRECIOUS: $(PAYLOAD_OUT)/%.c.o
-include $(shell find $(PAYLOAD_OUT) -name '*.d' 2>/dev/null)
