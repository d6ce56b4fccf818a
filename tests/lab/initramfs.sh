#!/bin/bash
# SPDX-License-Identifier: MIT
# initramfs.sh ARCH KERNEL OUT: the lab's own initramfs. Its init mounts the build machine's / (9p, read-only) under a
# tmpfs overlay, or another root and in it directories of the build machine, and runs there what lab asks for. Only what that needs is in it; other modules are loaded from the root.
set -eu
arch=$1 kernel=$2 out=$3
version=$(basename "$kernel"/lib/modules/*)
first="virtio_pci virtio_console 9pnet_virtio 9p overlay"
case $arch in
amd64) kvm=kvm_amd ;;
*) kvm= ;; # built in
esac

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{bin,mods,proc,sys,dev,host,trees,rw,new}
cp "${BUSYBOX:-/bin/busybox}" "$dir/bin/busybox"
modules() { # LIST MODULE...: put them and what they need into the image, their order into LIST
	local list=$1 m f
	shift
	for m in "$@"; do modprobe -d "$kernel" -S "$version" --show-depends "$m"; done |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r f; do
			# type information is half of a module's size, and all of it is read at boot
			"${OBJCOPY:-objcopy}" -g -R .BTF "$f" "$dir/mods/${f##*/}"
			echo "/mods/${f##*/}"
		done >"$dir/$list"
}
modules first $first
modules kvm $kvm

cat >"$dir/init" <<'EOS'
#!/bin/busybox sh
# A fork and exec costs ten milliseconds here: few of them.
b=/bin/busybox
$b mount -t proc proc /proc
read -r cmdline </proc/cmdline
machine=/host
for word in $cmdline; do case $word in lab=*) ctl=${word#lab=} ;; lab_trees) machine=/trees ;; esac; done
while read -r m; do $b insmod "$m"; done </first
p9=trans=virtio,version=9p2000.L,msize=262144
$b mount -t devtmpfs dev /dev
# Loading kvm takes as long as all the rest: beside it. It remembers the rate that the time stamp counter is thought to
# have, and gives guests another one if that is refined afterwards; so not before.
$b mount -t sysfs sysfs /sys
{
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		read -r clock </sys/devices/system/clocksource/clocksource0/current_clocksource
		case $clock in tsc-early | jiffies | refined-jiffies) $b usleep 200000 ;; *) break ;; esac
	done
	while read -r m; do $b insmod "$m"; done </kvm
} &
$b mount -t 9p -o $p9,cache=loose,ro root /host
$b mount -t tmpfs rw /rw
$b mkdir /rw/u /rw/w
$b mount -t overlay -o lowerdir=/host,upperdir=/rw/u,workdir=/rw/w root /new
[ $machine = /host ] || $b mount -t 9p -o $p9,cache=loose,ro trees $machine
. "$machine$ctl/vars" # kernel= modules= tty= trees=
cd /new
[ $machine = /host ] || for dir in $trees; do
	[ ! -e ".$dir/." ] || [ -z "$($b ls -A ".$dir")" ] || continue # within another one
	$b mkdir -p ".$dir" "/rw/u$dir" "/rw/w$dir.work"
	$b mount -t overlay -o "lowerdir=$machine$dir,upperdir=/rw/u$dir,workdir=/rw/w$dir.work" tree ".$dir"
done
$b mkdir -p proc sys dev run out "lib/modules"
$b mount -t proc proc proc
$b mount -t sysfs sysfs sys
$b mount -t devtmpfs dev dev
$b mkdir dev/shm dev/pts
$b mount -t tmpfs shm dev/shm
$b mount -t devpts pts dev/pts
$b ln -s /proc/self/fd dev/fd
$b ln -s fd/0 dev/stdin
$b ln -s fd/1 dev/stdout
$b ln -s fd/2 dev/stderr
$b mount -t tmpfs run run
$b mount -t 9p -o $p9,cache=none out out
$b ln -s "$kernel" lib/modules/
$b ip link set lo up
$b hostname lab
echo 1 >proc/sys/vm/overcommit_memory
wait
echo 0 >sys/module/kvm/parameters/halt_poll_ns
[ -z "$modules" ] || $b chroot . modprobe -a $modules
if [ -n "$tty" ]; then
	$b stty $tty <dev/hvc0
	$b chroot . setsid -c "$ctl/run" <dev/hvc0 >dev/hvc0 2>&1
	status=$?
else
	# Through a pipe: a port can be opened once only, and scripts like to open /dev/stderr again.
	$b mkfifo pipe
	$b cat pipe >dev/vport0p1 &
	cat=$!
	$b chroot . "$ctl/run" <dev/null >pipe 2>&1
	status=$?
	# What the script left running would hold the pipe open; what it printed is to arrive.
	for p in proc/[0-9]*; do
		p=${p#proc/}
		[ "$p" = 1 ] || [ "$p" = $cat ] || kill -9 "$p"
	done 2>/dev/null
	wait $cat
fi
echo $status >dev/vport0p2
$b poweroff -f
EOS
chmod +x "$dir/init"
(cd "$dir" && find . | cpio -o -H newc --quiet) >"$out"
