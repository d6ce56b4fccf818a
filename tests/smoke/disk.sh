# SPDX-License-Identifier: MIT
# Smoke tests of disks; part of tests/smoke/x86 and arm64. The guest's kernel makes the requests, the host looks at the images.
# shellcheck shell=bash disable=SC2016,SC2154
disk() { # ARG...: a guest with a shell, a block driver and ext4
	vm --kernel "$VMLINUX" --initrd "$DISK_RD" --append "$quiet" "$@"
	expect 'guest# '
}
# does COMMANDS WORD: types them; afterwards the guest prints WORD, which it does not when only echoing what was typed
does() { send "$1 && echo done-\$((0))-$2"$'\n'; expect "done-0-$2"; }
image() { truncate -s "$2" "$1"; mkfs.ext4 -qF "$1" || fail "mkfs.ext4 $1"; }

# The power goes while the guest writes, again and again, and says so each time; the file system of disk.img is whole when
# its journal has been replayed.
cut_off() { # [COMMAND...]: that takes disk.img out of another image
	expect 'wro0te'
	nap 1
	kill -9 "$vm"
	wait "$vm"
	"${@:-true}"
	e2fsck -fp disk.img >fsck 2>&1 || [ $? = 1 ] || fail "e2fsck found more than a journal to replay: $(tail -n 3 fsck)"
	e2fsck -fn disk.img >fsck 2>&1 || fail "e2fsck: $(tail -n 3 fsck)"
}
# What was fsynced is there after microvm was killed in the middle of writing, and the file system is whole.
power_cut() { # KEYS
	image disk.img 48M
	disk --disk "disk.img,$1"
	does 'mkdir /m; mount -t ext4 /dev/vda /m' mounted
	does 'seq 1 30000 | dd of=/m/kept conv=fsync 2>/dev/null' synced
	send $'while :; do seq 1 3000 >/m/lost; mv /m/lost /m/gone; sync; echo wro$((0))te; done &\n'
	cut_off
	debugfs -R 'cat /kept' disk.img 2>/dev/null | cmp - <(seq 1 30000) || fail 'what was fsynced is lost'
	debugfs -R 'ls -p /' disk.img 2>/dev/null | grep -q gone || fail 'it was cut off before it wrote'
}
test_disk_pci() { power_cut bus=pci; }
test_disk_mmio() { power_cut bus=mmio,cache=writethrough; }

test_disk_kinds() {
	image disk.img 64M
	head -c 1M /dev/urandom >ro.img
	cp ro.img ro.orig
	disk --disk disk.img,serial=smoke-7,queues=2,packed --disk ro.img,ro,bus=mmio,serial=only-read --cpus 2
	does 'cat /sys/block/vda/serial /sys/block/vdb/serial' serials
	grep -q smoke-7 console && grep -q only-read console || fail 'a serial number is wrong'
	does '[ $(ls /sys/block/vda/mq | wc -l) = 2 ]' queues
	# VIRTIO_F_RING_PACKED, bit 34 of what was negotiated
	does '[ $(cut -c35 /sys/block/vda/device/features)$(cut -c35 /sys/block/vdb/device/features) = 10 ]' packed
	does '[ "$(cat /sys/block/vda/queue/write_cache)" = "write back" ]' cache
	# what ro means to the driver, and what it means without one that is polite
	does '[ $(cat /sys/block/vdb/ro) = 1 ] && ! dd if=/dev/zero of=/dev/vdb count=1 2>/dev/null' ro
	does '[ $(md5sum </dev/vdb | cut -c1-32) = '"$(md5sum <ro.img | cut -c1-32) ]" read
	# deleted and trimmed, the room is the host's again
	does 'mkdir /m; mount -t ext4 /dev/vda /m; dd if=/dev/zero bs=1M count=24 of=/m/f conv=fsync' filled
	local full other
	full=$(du -k disk.img | cut -f1)
	does 'rm /m/f; sync; fstrim /m' trimmed
	[ "$(du -k disk.img | cut -f1)" -lt $((full - 20000)) ] || fail "trimming gave nothing back of $full KiB"
	# the driver switches the cache off and on
	does 'cd /sys/block/vda; echo "write through" >cache_type; seq 1 9 >/m/a; sync; echo "write back" >cache_type' wce
	# nobody else writes what this one has
	"$MICROVM" --kernel "$VMLINUX" --disk disk.img </dev/null >second 2>&1 && fail 'a second one could open the disk'
	grep -q 'disk.img: in use by another VM' second || fail "the second one said: $(cat second)"
	if type -P qemu-system-x86_64 >/dev/null; then
		qemu-system-x86_64 -M microvm -nodefaults -display none -S -drive file=disk.img,format=raw,if=none,id=d \
			-device virtio-blk-device,drive=d </dev/null >second 2>&1 & other=$!
		for _ in {1..400}; do kill -0 "$other" 2>/dev/null || break; nap 0.3; done
		! kill "$other" 2>/dev/null || fail 'QEMU could open the disk'
		grep -q 'Failed to get "write" lock' second || fail "QEMU said: $(cat second)"
	fi
	does 'umount /m' unmounted
	send $'poweroff -f\n'
	ended 0
	e2fsck -fn disk.img >fsck 2>&1 || fail "e2fsck: $(tail -n 3 fsck)"
	cmp ro.img ro.orig || fail 'the disk that is only read was written'
}
test_disk_full() { # a host without room for what the guest writes: the guest is told, and goes on
	mkdir small
	mount -t tmpfs -o size=8M small small 2>/dev/null || skip 'no right to mount a small file system'
	truncate -s 64M small/disk.img
	disk --disk small/disk.img
	does '! dd if=/dev/zero of=/dev/vda bs=1M count=32 conv=fsync 2>/dev/null' error
	does 'dd if=/dev/vda of=/dev/null bs=1M count=4' lives
	send $'poweroff -f\n'
	ended 0
	umount small
	grep -q 'small/disk.img: writing .*: No space left on device' errors || fail 'microvm did not say why'
}
# Debian on the disk: its fio writes and verifies in every mode, its gcc compiles in a shared folder, and after the power
# was cut behind an fsync the file system is whole.
test_root() {
	find_virtiofsd
	modprobe -q fuse 2>/dev/null || true
	cp --sparse=always "$ROOTFS" disk.img
	truncate -s 24M none.img through.img
	mkdir dir
	cp "$tests"/../../vmm/{util,log,opts}.h "$tests"/../../vmm/{log,opts,opts_value}.c dir/
	sed -i 's,"vmm/,",' dir/*.[ch]
	printf '%s\n' '#include "opts.h"' 'int main(void) { puts(opts_nearest("memry", (const char *[]){"cpus", "memory", NULL})); }' >dir/main.c
	echo 'main: main.o log.o opts.o opts_value.o' >dir/Makefile
	disk --memory 768M --disk disk.img --disk none.img,cache=none,queues=2 --disk through.img,cache=writethrough,bus=mmio \
		--share src=dir --cpus 2
	does 'mkdir /m; mount -t ext4 /dev/vda /m; mount -t virtiofs src /m/mnt; for d in dev proc sys; do mount --move /$d /m/$d; done' mounted
	send $'exec chroot /m /bin/bash\n'
	does 'grep -q bookworm /etc/os-release' debian
	fio='fio --ioengine=libaio --direct=1 --rw=randwrite --bsrange=512-64k --iodepth=16 --verify=crc32c --verify_fatal=1 --eta=never --output=/fio'
	does "truncate -s 16M /f; $fio --name=root --filename=/f --size=16M --bsrange=4k-64k" fio-root
	does "$fio --name=none --filename=/dev/vdb --size=24M" fio-none
	does "$fio --name=through --filename=/dev/vdc --size=24M" fio-through
	does 'make -C /mnt CFLAGS="-D_GNU_SOURCE -std=gnu11" LDFLAGS=-static && [ $(/mnt/main) = memory ]' compiled
	[ "$(dir/main)" = memory ] || fail 'what the guest compiled does not run here'
	does 'cp /mnt/*.o /usr/src; cat /usr/src/*.o | md5sum >/usr/src/sum; sync /usr/src/* /usr/src' kept
	send $'while :; do cp /usr/src/main.o /root/lost; sync; mv /root/lost /root/gone; sync; echo wro$((0))te; done &\n'
	cut_off
	local o
	for o in dir/*.o; do debugfs -R "cat /usr/src/${o##*/}" disk.img 2>/dev/null | cmp - "$o" || fail "$o is lost"; done
}
all_disk="root disk-kinds disk-pci disk-mmio disk-full"
