# SPDX-License-Identifier: MIT
# Freestanding payloads: build/guest/NAME.elf from guest/payload/NAME.c, by gcc
# alone. Included by the top Makefile; `make payloads` builds those of this machine,
# `make payloads-arm` build/guest/arm64/NAME.elf and build/guest/armv7/NAME.elf.

PAYLOAD_DIR := guest/payload
PAYLOAD_OUT := build/guest
PAYLOADS := $(patsubst $(PAYLOAD_DIR)/%.c,$(PAYLOAD_OUT)/%.elf,$(wildcard $(PAYLOAD_DIR)/*.c))
payload_lib = $(patsubst $(PAYLOAD_DIR)/%,$(1)/%.o,\
	$(wildcard $(addprefix $(PAYLOAD_DIR)/lib/,*.c $(2)/*.c $(2)/*.S)))
PAYLOAD_LIB := $(call payload_lib,$(PAYLOAD_OUT),x86)

# Some KVMs emulate every instruction of ours: no SSE, nothing fancy.
PAYLOAD_X86_CFLAGS := -m64 -march=x86-64 -mcmodel=small -mno-red-zone -fcf-protection=none
PAYLOAD_CFLAGS := -std=gnu11 -O2 -ffreestanding -fno-pie -fno-pic \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fno-strict-aliasing \
	-fno-common -ffunction-sections -fdata-sections \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wno-unused-parameter -Werror -I. -I$(PAYLOAD_DIR) -MMD -MP
PAYLOAD_LDFLAGS := -nostdlib -static -no-pie -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings

payloads: $(if $(filter x86,$(HOST)),$(PAYLOADS),payloads-arm)

$(PAYLOAD_OUT)/%.c.o: $(PAYLOAD_DIR)/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@gcc $(PAYLOAD_X86_CFLAGS) $(PAYLOAD_CFLAGS) -c -o $@ $<
$(PAYLOAD_OUT)/%.S.o: $(PAYLOAD_DIR)/%.S
	@mkdir -p $(@D)
	@echo "  AS    $<"
	@gcc $(PAYLOAD_X86_CFLAGS) $(PAYLOAD_CFLAGS) -c -o $@ $<
$(PAYLOADS): $(PAYLOAD_OUT)/%.elf: $(PAYLOAD_OUT)/%.c.o $(PAYLOAD_LIB) $(PAYLOAD_DIR)/lib/x86/payload.ld
	@echo "  LINK  $@"
	@gcc $(PAYLOAD_LDFLAGS) -Wl,-T,$(PAYLOAD_DIR)/lib/x86/payload.ld -o $@ $(filter %.o,$^)

# Those that say so are built for ARM as well, by cross compilers.
payloads_also = $(patsubst $(PAYLOAD_DIR)/%.c,$(PAYLOAD_OUT)/$(1)/%.elf,\
	$(shell grep -lE '^ \* ALSO ON:.* $(1)' $(PAYLOAD_DIR)/*.c))
PAYLOAD_arm64_CC := aarch64-linux-gnu-gcc
PAYLOAD_arm64_CFLAGS := -mcmodel=small -mno-outline-atomics
PAYLOAD_armv7_CC := arm-linux-gnueabihf-gcc
PAYLOAD_armv7_CFLAGS := -marm -mcpu=cortex-a7

define PAYLOAD_ARM_RULES
$(PAYLOAD_OUT)/$(1)/%.c.o: $(PAYLOAD_DIR)/%.c
	@mkdir -p $$(@D)
	@echo "  CC    $$< ($(1))"
	@$(PAYLOAD_$(1)_CC) $(PAYLOAD_$(1)_CFLAGS) $(PAYLOAD_CFLAGS) -c -o $$@ $$<
$(PAYLOAD_OUT)/$(1)/%.S.o: $(PAYLOAD_DIR)/%.S
	@mkdir -p $$(@D)
	@echo "  AS    $$< ($(1))"
	@$(PAYLOAD_$(1)_CC) $(PAYLOAD_$(1)_CFLAGS) $(PAYLOAD_CFLAGS) -c -o $$@ $$<
$(call payloads_also,$(1)): %.elf: %.c.o $(call payload_lib,$(PAYLOAD_OUT)/$(1),arm) $(PAYLOAD_DIR)/lib/arm/payload.ld
	@echo "  LINK  $$@"
	@$(PAYLOAD_$(1)_CC) $(PAYLOAD_LDFLAGS) -Wl,-T,$(PAYLOAD_DIR)/lib/arm/payload.ld -o $$@ $$(filter %.o,$$^) -lgcc
payloads-arm: $(call payloads_also,$(1))
endef
$(foreach arch,arm64 armv7,$(eval $(call PAYLOAD_ARM_RULES,$(arch))))

# A Raspberry Pi 2's, which is another machine: one file each, and where it starts.
PAYLOADS_RPI2 := $(patsubst guest/rpi2/%.c,$(PAYLOAD_OUT)/rpi2/%.elf,$(wildcard guest/rpi2/*.c))
$(PAYLOADS_RPI2): $(PAYLOAD_OUT)/rpi2/%.elf: guest/rpi2/%.c guest/rpi2/start.S guest/rpi2/rpi2.ld
	@mkdir -p $(@D)
	@echo "  CC    $< (rpi2)"
	@$(PAYLOAD_armv7_CC) $(PAYLOAD_armv7_CFLAGS) -mno-unaligned-access $(PAYLOAD_CFLAGS) \
		$(PAYLOAD_LDFLAGS) -Wl,--no-warn-rwx-segments -Wl,-T,guest/rpi2/rpi2.ld -o $@ $(filter %.c %.S,$^) -lgcc
payloads-arm: $(PAYLOADS_RPI2)

.PHONY: payloads payloads-arm
.PRECIOUS: $(PAYLOAD_OUT)/%.c.o
-include $(shell find $(PAYLOAD_OUT) -name '*.d' 2>/dev/null)
