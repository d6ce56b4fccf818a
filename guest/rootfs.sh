#!/bin/bash
# SPDX-License-Identifier: MIT
# rootfs.sh ARCH OUT: an image of an ext4 file system with Debian on it, fio, iperf3, gcc and make included: a guest's root.
# From where this machine's apt has its own packages; without what no test reads.
set -eu
arch=$1 out=$2
trap 'rm -rf "$out.d" "$out.list"' EXIT
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
	sort -u >"$out.list"
[ -s "$out.list" ] || { echo "rootfs.sh: apt knows of no Debian archive: run apt-get update" >&2; exit 1; }
not=(doc man locale info)
mmdebstrap --quiet --architectures="$arch" --variant=essential --include=fio,iperf3,gcc,libc6-dev,make \
	--aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' "${not[@]/#/--dpkgopt=path-exclude=/usr/share/}" \
	--customize-hook='rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*' --format=directory '' "$out.d" "$out.list" >&2
mkfs.ext4 -q -d "$out.d" "$out" 1500M >&2
