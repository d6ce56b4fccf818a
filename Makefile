# SPDX-License-Identifier: MIT
#
# make            ./microvm
# make ARCH=arm64 build/arm64/microvm, on a machine of another architecture
# make demo       Debian's graphical installer in a window, everything needed installed first
# make demo-shell a Debian kernel's console
# make test       what CI runs, everything needed installed first
# make help       the rest
#
# Objects go to build/$(VARIANT)/; VARIANT is release, asan, tsan or fuzz. ARCH is
# x86 or arm64, this machine's unless told otherwise; another's objects go to
# build/$(ARCH)/, or build/$(ARCH)-$(VARIANT)/.

VARIANT ?= release
HOST := $(if $(filter aarch64,$(shell uname -m)),arm64,x86)
ARCH ?= $(HOST)
ifeq ($(filter x86 arm64,$(ARCH)),)
$(error ARCH is x86 or arm64)
endif
ARCH_DIR := arch/$(if $(filter arm64,$(ARCH)),arm,x86)
BUILD := build/$(if $(filter $(HOST),$(ARCH)),$(VARIANT),$(ARCH)$(VARIANT:%=-%))
BUILD := $(BUILD:%-release=%)
VERSION := 0.1

CC := gcc
# What sanitizers look at is compiled in two thirds of the time so. Warnings that need the optimizer are -O2's.
OPTIMIZE := $(if $(filter asan tsan,$(VARIANT)),-O1 -g1 -Wno-maybe-uninitialized -Wno-format-truncation,-O2 -g)
CPPFLAGS := -I. -I$(BUILD)/gen -D_GNU_SOURCE -DMICROVM_VERSION='"$(VERSION)"' -MMD -MP
CFLAGS := -std=gnu11 $(OPTIMIZE) -pthread -fno-common \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wvla -Wundef -Wformat=2 -Wno-unused-parameter -Werror
LDFLAGS := -pthread
# PNG only for programs that take screenshots, seccomp for those in a sandbox.
LDLIBS := -luring -Wl,--as-needed -lpng -lseccomp -lfdt -lz

# Hardening costs nothing that a benchmark shows; sanitizers bring their own.
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE -D_FORTIFY_SOURCE=2 \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
ifeq ($(VARIANT),release)
CFLAGS += $(HARDEN)
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--gc-sections
# Relocations by words instead of 24 bytes each; the linker has that for x86 alone so far.
ifeq ($(ARCH),x86)
LDFLAGS += -Wl,-z,pack-relative-relocs
endif
else ifeq ($(VARIANT),asan)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(VARIANT),tsan)
SAN := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(VARIANT),fuzz)
CC := clang
SAN := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
else
$(error VARIANT is release, asan, tsan or fuzz)
endif
CFLAGS += $(SAN)
LDFLAGS += $(SAN)

# Another architecture's libraries and headers are in a directory that we make.
ifneq ($(ARCH),$(HOST))
ifneq ($(filter-out clean help bench deps-% demo demo-shell test,$(or $(MAKECMDGOALS),microvm)),)
CROSS := $(if $(filter arm64,$(ARCH)),aarch64-linux-gnu-,x86_64-linux-gnu-)
SYSROOT := $(shell tests/deps.sh -n cross >&2 && tests/assets.sh sysroot-$(if $(filter arm64,$(ARCH)),arm64,amd64))
ifeq ($(SYSROOT),)
$(error no libraries for $(ARCH))
endif
CC := $(CROSS)$(CC)
CPPFLAGS += --sysroot=$(SYSROOT)
LDFLAGS += --sysroot=$(SYSROOT)
endif
endif

# The layers, lowest first: each may include those before it (ARCHITECTURE.md).
CORE := vmm/log.c vmm/gmem.c vmm/bus.c vmm/loop.c vmm/opts.c vmm/opts_value.c \
	vmm/boot_file.c vmm/boot_claims.c vmm/boot_elf.c
GPU := devices/gpu/main.c
CTL := devices/control/ctl.c
VIEW := devices/view/main.c
DEVICES := $(filter-out $(GPU) $(CTL) $(VIEW),$(wildcard devices/*.c devices/*/*.c))
# Memory in, memory out, without KVM: what is of arch/arm is tested on every host.
PURE_x86 := arch/x86/place.c arch/x86/boot.c arch/x86/boot_bzimage.c arch/x86/boot_elf.c arch/x86/acpi.c
PURE_arm64 := $(wildcard arch/arm/boot*.c arch/arm/fdt*.c) \
	$(wildcard arch/arm/models*.c) arch/arm/build.c arch/arm/tree.c arch/arm/virt.c
PURE := $(PURE_$(ARCH))
CONFIG := vmm/config.c vmm/config_device.c vmm/config_dump.c
VM := vmm/kvm.c vmm/vcpu.c vmm/vm.c vmm/vm_devices.c vmm/vm_control.c vmm/vm_stats.c vmm/main.c \
	$(filter-out $(PURE_x86) $(PURE_arm64),$(wildcard $(ARCH_DIR)/*.c))
TESTLIB := $(filter-out tests/smoke/%,$(wildcard tests/*.c))
UNIT := $(wildcard tests/unit/test_*.c)
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)

obj = $(patsubst %.c,$(BUILD)/%.o,$(filter %.c,$(1)))

# What runs once a start, or when somebody asks, is made small; what a guest's exits and
# requests go through is made fast.
COLD := $(CONFIG) $(PURE_x86) $(filter-out arch/arm/fdt_walk.c,$(PURE_arm64)) \
	$(addprefix arch/arm/,files.c screen.c) $(addprefix arch/x86/,cpu.c machine.c) \
	$(addprefix vmm/,boot_claims.c boot_elf.c boot_file.c main.c opts.c opts_value.c vm.c) \
	$(wildcard vmm/vm_*.c devices/control/*.c devices/virtio/*_model.c devices/virtio/*_option.c) \
	$(addprefix devices/,acpi_ged.c cf9.c i8042.c pci.c pci_bar.c pci_rom.c pvpanic.c rtc_cmos.c \
	rtc_pl031.c testdev.c gpu/options.c ui/display_proto.c ui/edid.c ui/input_state.c ui/keymap.c) \
	$(wildcard devices/usb/hid*.c devices/usb/hub*.c devices/usb/usb_*.c devices/usb/*_model.c) \
	$(addprefix devices/backend/,chardev_link.c chardev_pty.c chardev_spec.c child.c disk_lock.c \
	disk_open.c display_link.c evdev.c evdev_grab.c evdev_lights.c gpu_process.c handover.c \
	hostfd.c keychord.c netaddr.c netdns.c path_watch.c term.c unixsock.c) \
	$(addprefix devices/virtio/,balloon.c input.c seat_devices.c share.c vhost_user_devices.c \
	vhost_user_frontend.c vhost_user_link.c vhost_user_msg.c virtio_vga.c vsock.c)
ifeq ($(VARIANT),release)
$(call obj,$(COLD)): CFLAGS += -Os
endif

.DEFAULT_GOAL := microvm
.DELETE_ON_ERROR:
ifeq ($(ARCH),$(HOST))
microvm microvm-gpu microvm-ctl microvm-view: %: build/release/%
	@cp --remove-destination $< $@
else
microvm microvm-gpu microvm-ctl microvm-view: %: $(BUILD)/%
endif
microvm: microvm-gpu microvm-ctl microvm-view

$(BUILD)/microvm: $(call obj,$(VM) $(CONFIG) $(PURE)) $(BUILD)/libdevices.a $(BUILD)/libcore.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/microvm-gpu: $(call obj,$(GPU)) $(BUILD)/libdevices.a $(BUILD)/libcore.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/microvm-ctl: $(call obj,$(CTL)) $(BUILD)/libdevices.a $(BUILD)/libcore.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/microvm-view: $(call obj,$(VIEW)) $(BUILD)/libdevices.a $(BUILD)/libcore.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

ifneq ($(BUILD),build/release)
build/release/microvm build/release/microvm-gpu build/release/microvm-ctl build/release/microvm-view: FORCE
	@$(MAKE) --no-print-directory VARIANT=release $@
endif

$(BUILD)/libcore.a: $(call obj,$(CORE))
$(BUILD)/libdevices.a: $(call obj,$(DEVICES))
$(BUILD)/libpure.a: $(call obj,$(PURE_x86) $(PURE_arm64))
$(BUILD)/libtest.a: $(call obj,$(TESTLIB))
%.a:
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# ACPI's machine language, from source that a person can read.
$(BUILD)/gen/arch/x86/dsdt.hex: arch/x86/dsdt.asl
	@mkdir -p $(@D)
	@echo "  IASL  $<"
	@iasl -vs -tc -p $(@D)/dsdt $< >$(@D)/dsdt.log 2>&1 || { cat $(@D)/dsdt.log; exit 1; }
$(BUILD)/arch/x86/acpi.o: $(BUILD)/gen/arch/x86/dsdt.hex

# --- tests: no KVM, no display, no root ----------------------------------

UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT))
REPLAY_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/replay/%,$(FUZZ))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ))
TESTLIBS := $(call obj,$(CONFIG)) $(BUILD)/libtest.a $(BUILD)/libpure.a $(BUILD)/libdevices.a $(BUILD)/libcore.a

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(TESTLIBS)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lfdt -lcmocka -lX11
# These start it.
$(BUILD)/tests/unit/test_view_program: | $(BUILD)/microvm-gpu $(BUILD)/microvm-view
$(BUILD)/tests/unit/test_seat_devices $(BUILD)/tests/unit/test_hid_model $(BUILD)/tests/unit/test_gpu_windows $(BUILD)/tests/unit/test_gpu_virgl_process $(BUILD)/tests/unit/test_gpu_virgl_hostile $(BUILD)/tests/unit/test_gpu_virgl_record $(BUILD)/tests/unit/test_gpu_virgl_venus $(BUILD)/tests/unit/test_gpu_vtest $(BUILD)/tests/unit/test_gpu_play: | $(BUILD)/microvm-gpu
$(BUILD)/tests/replay/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(TESTLIBS)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lfdt
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(TESTLIBS)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/smoke/xshot: $(call obj,tests/smoke/xshot.c)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lX11
# Guests' screenshots are judged by it.
$(BUILD)/tests/smoke/pngdiff: $(call obj,tests/smoke/pngdiff.c tests/pngdiff.c)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/smoke/vga_golden: $(call obj,tests/smoke/vga_golden.c)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# Linux's driver maps what this renderer has; the other runs in a guest.
$(BUILD)/tests/smoke/blob/microvm-gpu: $(call obj,$(GPU) tests/smoke/blob_renderer.c) $(BUILD)/libdevices.a $(BUILD)/libcore.a
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/smoke/blob_guest: tests/smoke/blob_guest.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=gnu11 -Os -Wall -Wextra -Werror -static -s -o $@ $<
$(BUILD)/tests/smoke/blob_guest.cpio: $(BUILD)/tests/smoke/blob_guest
	@cd $(@D) && echo blob_guest | cpio --quiet -o -H newc >$(@F)
$(BUILD)/tests/smoke/bars: $(call obj,tests/smoke/bars.c)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
ifeq ($(VARIANT),fuzz)
$(FUZZ_BIN): %: %.o $(TESTLIBS)
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS) -lfdt
endif
.PRECIOUS: $(BUILD)/%.o

run-check: $(UNIT_BIN) $(REPLAY_BIN)
	@tests/check $(BUILD)

check:
	@$(MAKE) --no-print-directory VARIANT=release run-check
asan:
	@$(MAKE) --no-print-directory VARIANT=asan run-check
tsan:
	@$(MAKE) --no-print-directory VARIANT=tsan run-check
build-fuzz: $(FUZZ_BIN)
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz build-fuzz
	@tests/fuzz/run

# --- guests ----------------------------------------------------------------

include guest/payload/rules.mk

run-payloads: microvm payloads
	@tests/smoke/payloads
ifeq ($(HOST),x86)
	@$(MAKE) --no-print-directory -s VARIANT=release build/release/tests/smoke/vga_golden build/release/tests/smoke/pngdiff
	@tests/smoke/vga
endif
smoke: run-payloads
	@tests/smoke/run
ifeq ($(HOST),x86)
	@$(MAKE) --no-print-directory ARCH=arm64 microvm
	@tests/smoke/run --arch arm64
endif
# Half an hour of each, and of the generic board under the same load to compare with.
STRESS_MINUTES ?= 30
stress-rpi2:
	@$(MAKE) --no-print-directory ARCH=arm64 microvm
	@STRESS_SECONDS=$$((60 * $(STRESS_MINUTES))) STRESS_ROUNDS=1000 SMOKE_TIME=$$((1200 * $(STRESS_MINUTES))) \
		tests/smoke/run --arch arm64 four-rpi2-wire four-rpi2-stress four-virt-stress
lab:
	@tests/lab/lab --arch $(ARCH)
bench: deps-bench deps-lab-$(ARCH)
	@$(MAKE) --no-print-directory microvm
ifeq ($(ARCH),$(HOST))
	@$(MAKE) --no-print-directory VARIANT=release run-bench
endif
	@tests/bench/run --arch $(ARCH)
# No KVM in these.
run-bench: $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c)) | $(BUILD)/microvm-gpu
	@mkdir -p build/bench && for b in $^; do $$b || exit 1; done

# --- the two commands of the README ------------------------------------------

deps-%:
	@tests/deps.sh $*
demo: deps-demo
	@$(MAKE) --no-print-directory -s VARIANT=release microvm build/release/tests/smoke/pngdiff
	@tests/demo.sh
demo-shell: deps-demo
	@$(MAKE) --no-print-directory microvm
	@tests/demo-shell.sh
test: deps-test
	@tests/all

PREFIX ?= /usr/local
install: microvm
	install -D -m 755 build/release/microvm $(DESTDIR)$(PREFIX)/bin/microvm
	install -D -m 755 build/release/microvm-gpu $(DESTDIR)$(PREFIX)/bin/microvm-gpu
	install -D -m 755 build/release/microvm-ctl $(DESTDIR)$(PREFIX)/bin/microvm-ctl
	install -D -m 755 build/release/microvm-view $(DESTDIR)$(PREFIX)/bin/microvm-view
	install -D -m 644 microvm-ctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/microvm-ctl.1
	install -D -m 644 microvm.1 $(DESTDIR)$(PREFIX)/share/man/man1/microvm.1
	install -D -m 644 microvm-gpu.1 $(DESTDIR)$(PREFIX)/share/man/man1/microvm-gpu.1
	install -D -m 644 microvm-view.1 $(DESTDIR)$(PREFIX)/share/man/man1/microvm-view.1
clean:
	rm -rf build microvm microvm-gpu microvm-ctl microvm-view
help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile; sed -n 's/^    \(make .*\)/\1/p' HACKING.md

FORCE:
.PHONY: FORCE microvm microvm-gpu microvm-ctl microvm-view check asan tsan fuzz run-check build-fuzz run-payloads smoke stress-rpi2 lab bench run-bench \
	demo demo-shell test install clean help

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
