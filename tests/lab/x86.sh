# SPDX-License-Identifier: MIT
# The lab's machine on x86: QEMU's TCG emulates an AMD processor whose SVM our KVM then uses.
# Sets debian (Debian's name of the architecture), image (asset), machine (QEMU's arguments), append (kernel's arguments).
# shellcheck shell=bash disable=SC2034
debian=amd64
image=vmlinux-amd64 # by PVH: unpacking the bzImage would take three seconds of emulation
# "max" claims to be a K8, on which kernels search 256 buses for an AGP bridge: be of this age. And TCG lets a guest's
# XSETBV pass without an exit, so that KVM and its guest disagree on what is enabled: do without.
machine=(qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max,family=23,model=49,xsave=off,erms=off,fsrm=off)
# TCG's VMRUN changes the processor's interrupt requests without a lock, and so loses one now and then. A periodic timer
# comes again; of a one-shot timer, all of the lab would sleep until some device woke it.
append="console=ttyS0 tsc=reliable no_timer_check highres=off nohz=off"
gl=(-device virtio-vga-gl -display sdl,gl=on)
