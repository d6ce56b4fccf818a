# SPDX-License-Identifier: MIT
# Smoke tests of devices whose queues others serve; part of tests/smoke/x86: shared folders (virtiofsd), disks of
# qemu-storage-daemon, sockets to the host (vhost-vsock).
# shellcheck shell=bash disable=SC2016,SC2154,SC2034
share() { # ARG...: a guest with a shell and the drivers
	modprobe -q fuse 2>/dev/null || true
	vm --kernel "$VMLINUX" --initrd "$SHARE_RD" --append "$quiet" "$@"
	expect 'guest# '
}
find_virtiofsd() {
	for virtiofsd in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do [ -x $virtiofsd ] && return; done
	skip 'no virtiofsd here'
}
virtiofsds() { pgrep -f "virtiofsd .*source=$PWD/" || true; }

shared() { # KEYS ARG...: files come and go
	find_virtiofsd
	mkdir dir
	for i in 1 2 3 4 5; do head -c $((i * 100001)) /dev/urandom >dir/f$i; done
	share --share home=dir,"$1" "${@:2}"
	does 'mkdir /m; mount -t virtiofs home /m' mounted
	does '[ "$(cat /m/f* | md5sum | cut -c1-32)" = '"$(cat dir/f* | md5sum | cut -c1-32) ]" read
	does 'for i in $(seq 9); do mkdir /m/d$i; seq $i 1000 | dd of=/m/d$i/f bs=64k 2>/dev/null; done; mv /m/d7 /m/moved; rm -r /m/d8' wrote
	[ "$(find dir -name f | wc -l)" = 8 ] || fail "the host sees $(find dir -name f | wc -l) files"
	seq 7 1000 | cmp - dir/moved/f || fail 'the host sees something else'
	does '[ $(ls -l /m/f3 | tr -s " " | cut -d" " -f5) = 300003 ]' listed
}
test_share_mmio() {
	shared bus=mmio
	send $'poweroff -f\n'
	ended 0
}
test_share_pci() { # and the folder is there again after a reboot of the guest
	shared bus=pci
	send $'reboot -f\n'
	expect 'microvm guest: up'
	expect 'guest# '
	does 'mkdir /m; mount -t virtiofs home /m && seq 7 1000 | cmp - /m/moved/f' again
	send $'poweroff -f\n'
	ended 0
	nap 0.3
	[ -z "$(virtiofsds)" ] || fail 'virtiofsd is still there'
}

test_share_ro() {
	find_virtiofsd
	mkdir dir
	echo kept >dir/f
	share --share dir=dir,ro
	does 'mkdir /m; mount -t virtiofs dir /m; [ $(cat /m/f) = kept ]' read
	does '! echo x >/m/f; ! touch /m/g; ! rm /m/f; ! chmod 0 /m/f; ! mount -o remount,rw /m || ! touch /m/g' refused
	send $'poweroff -f\n'
	ended 0
	[ "$(cat dir/f)" = kept ] && [ "$(ls dir)" = f ] || fail 'it was written'
}

killed() { # head|tail: one of virtiofsd's two processes dies while the guest writes
	find_virtiofsd
	mkdir dir
	share --share dir=dir
	does 'mkdir /m; mount -t virtiofs dir /m' mounted
	send $'while echo line >>/m/log; do :; done; echo writer-$((0))-ended\n'
	while [ ! -s dir/log ]; do nap 0.1; done
	kill -9 "$(virtiofsds | "$1" -n 1)"
	expect 'writer-0-ended'
	does '! ls /m; umount /m' errors
	grep -q 'virtio-fs: --share dir: the back end has gone: it needs a reset' errors || fail 'the log does not say so'
	does 'cd /sys/bus/virtio/drivers/virtiofs; n=$(echo virtio*); echo $n >unbind; echo $n >bind; cd /' rebound
	does 'mount -t virtiofs dir /m && [ -s /m/log ] && echo alive >/m/new' works
	[ "$(cat dir/new)" = alive ] || fail 'what it wrote is not there'
	send $'poweroff -f\n'
	ended 0
}
test_share_killed() { killed tail; }
test_share_killed_parent() { killed head; }

test_share_user() { # without privileges, in a user namespace
	find_virtiofsd
	[ "$(id -u)" = 0 ] || skip 'is run by root, and gives that up'
	setpriv --reuid nobody --clear-groups unshare -U true 2>/dev/null || skip 'no user namespaces here (a chroot, as in the lab)'
	mkdir dir
	echo kept >dir/f
	chown -R nobody: .
	chmod 755 . "$work"
	printf '#!/bin/sh\nexec setpriv --reuid nobody --regid nogroup --groups "$(stat -c %%g /dev/kvm)" "%s" "$@"\n' \
		"$MICROVM" >as_nobody
	chmod +x as_nobody
	[ "$(stat -c %G%A /dev/kvm)" != rootcrw------- ] || chmod g+rw /dev/kvm # as in the lab
	MICROVM=$PWD/as_nobody share --share dir=dir,ro --share "rw=$PWD/dir"
	does 'mkdir /m /w; mount -t virtiofs dir /m; mount -t virtiofs rw /w; [ $(cat /m/f) = kept ]' read
	does '! echo x >/m/f && echo new >/w/g && [ $(cat /m/g) = new ]' wrote
	send $'poweroff -f\n'
	ended 0
	[ "$(stat -c %U dir/g)" = nobody ] || fail "it belongs to $(stat -c %U dir/g)"
}

test_vhost_user_blk() {
	local daemon
	type qemu-storage-daemon >/dev/null 2>&1 || skip 'no qemu-storage-daemon here'
	head -c 8M /dev/urandom >disk.img
	qemu-storage-daemon --blockdev driver=file,node-name=f,filename=disk.img \
		--export "type=vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path=$PWD/sock,writable=on,num-queues=2" &
	daemon=$!
	mkfifo in nap
	for i in $(seq 600); do [ -S sock ] && break || nap 0.1; done
	share --vhost-user "kind=blk,socket=$PWD/sock,queues=2" --cpus 2
	does '[ "$(md5sum </dev/vda | cut -c1-32)" = '"$(md5sum <disk.img | cut -c1-32) ]" read
	does 'seq 100000 | dd of=/dev/vda conv=fsync 2>/dev/null' wrote
	cmp -n 500000 disk.img <(seq 100000) || fail 'the host sees something else'
	does '[ $(ls /sys/block/vda/mq | wc -l) = 2 ]' queues
	send $'poweroff -f\n'
	ended 0
	kill $daemon
}

test_vsock() { # connections from either side, and again with another driver
	find_virtiofsd
	modprobe -q vhost_vsock 2>/dev/null || true
	[ -w /dev/vhost-vsock ] || skip 'no vhost_vsock here'
	mkdir dir
	gcc -static -O2 -o dir/peer "$tests/vsock_peer.c" || fail 'gcc'
	share --share dir=dir --vsock cid=42 --cpus 2
	does 'mkdir /m; mount -t virtiofs dir /m' mounted
	for i in 1 2; do
		./dir/peer listen 1234 >host &
		while ! grep -q listening host; do nap 0.1; done
		does '/m/peer connect 2 1234 300000' from-guest-$i
		wait $!
		send $'/m/peer listen 4321 &\n'
		expect 'listening'
		[ "$(./dir/peer connect 42 4321 300000)" = same ] || fail 'something else came back'
		does 'cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport; n=$(echo virtio*); echo $n >unbind; echo $n >bind; cd /' again-$i
	done
	"$MICROVM" --kernel "$VMLINUX" --vsock cid=42 </dev/null >second 2>&1 && fail 'a second one could have the cid'
	grep -q 'another VM has cid=42' second || fail "the second one said: $(cat second)"
	send $'poweroff -f\n'
	ended 0
}

rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$vm/status"; }
shrinks() { # KiB: waits until so much less than $before is held
	for i in $(seq 240); do
		[ $((before - $(rss))) -ge "$1" ] && return
		nap 0.5
	done
	fail "holds $(rss) KiB, after $before"
}
test_balloon() { # what the guest has no use for is the host's again: free pages, and those it is asked for
	local before
	share --balloon on,take=32M --memory 384M --control socket
	does 'mount -t tmpfs t /tmp; dd if=/dev/zero of=/tmp/f bs=1M count=110 2>/dev/null' filled
	before=$(rss)
	[ "$before" -gt 110000 ] || fail "only $before KiB are held"
	does 'rm /tmp/f' freed
	shrinks 90000
	does 'dd if=/dev/zero of=/tmp/f bs=1M count=110 2>/dev/null' used-again
	does 'grep -q "balloon_inflate 8192" /proc/vmstat' inflated
	"$MICROVM-ctl" socket status | grep -q '"balloon": 33554432,.*"guest_free": [1-9].*"guest_total": [1-9]' ||
		fail 'its status says nothing of its memory'
	send $'poweroff -f\n'
	ended 0
}
# Not among all: share-killed-parent.
all_share="share-pci share-mmio share-ro share-killed vhost-user-blk balloon vsock"
