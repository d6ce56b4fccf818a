# SPDX-License-Identifier: MIT
# The lab's machine on arm64: QEMU's TCG emulates EL2, where our KVM then runs, and a GIC that KVM shares with its guests.
# Sets debian (Debian's name of the architecture), image (asset), machine (QEMU's arguments), append (kernel's arguments).
# shellcheck shell=bash disable=SC2034,SC2154
debian=arm64
image=kernel-arm64
# Both processors can run 32-bit kernels too. KVM runs in EL2 on the newer one (VHE), where an exit takes half the time;
# what is slow to emulate is left out. With a GICv2 it is the older one, for KVM's other way.
cpu=max,pauth=off,sve=off,sme=off,lpa2=off
[ "$gic" = 3 ] || cpu=cortex-a72
machine=(qemu-system-aarch64 -M "virt,virtualization=on,gic-version=$gic" -accel tcg,thread=multi -cpu "$cpu")
append="console=ttyAMA0"
gl=(-device virtio-gpu-gl-pci -display sdl,gl=on)
