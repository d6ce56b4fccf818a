# SPDX-License-Identifier: MIT
# The lab's machine on arm64: QEMU's TCG emulates EL2, where our KVM then runs, and a GIC that KVM shares with its guests.
# Sets debian (Debian's name of the architecture), image (asset), machine (QEMU's arguments), append (kernel's arguments).
# shellcheck shell=bash disable=SC2034,SC2154
debian=arm64
image=kernel-arm64
# A Cortex-A72 can run 32-bit kernels too. What comes after it, as pointer authentication, is slow to emulate.
machine=(qemu-system-aarch64 -M "virt,virtualization=on,gic-version=$gic" -accel tcg,thread=multi -cpu cortex-a72)
append="console=ttyAMA0"
gl=(-device virtio-gpu-gl-pci -display sdl,gl=on)
