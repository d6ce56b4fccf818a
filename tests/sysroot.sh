#!/bin/bash
# SPDX-License-Identifier: MIT
# sysroot.sh ARCH OUT [PACKAGE,...]: a directory with the libraries and headers that our programs for another architecture are built
# with, and with the programs that our tests call: the root of that architecture's lab, with other packages if named. Unpacked,
# not installed: nothing of it runs here. From where this machine's apt has its own packages, but from the archive proper alone, for what is
# newer of other architectures is at times only half there.
# sysroot.sh --sources: that archive, as lines for apt.
set -eu

sources() {
	list() {
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
			sort -u | grep -vE '^deb [^ ]+ [^ ]+-(updates|security|backports)'
	}
	list || { [ "$(id -u)" = 0 ] && apt-get -qq update >/dev/null 2>&1 && list; } ||
		{ echo "sysroot.sh: apt knows of no Debian archive: run apt-get update" >&2; return 1; }
}
[ "$1" != --sources ] || { sources; exit; }

arch=$1 out=$2 more=${3-}
build=libc6-dev,linux-libc-dev,liburing-dev,libslirp-dev,libdrm-dev,libpng-dev,libevdev-dev,libsdl2-dev,libfdt-dev,zlib1g-dev,libseccomp-dev,libvirglrenderer-dev
tests=busybox-static,bash,dash,coreutils,diffutils,findutils,gawk,grep,sed,perl-base,util-linux,mount,procps,kmod,iproute2,e2fsprogs
not=(doc man locale info lintian)

trap 'rm -f "$out.list"' EXIT
sources >"$out.list"
mmdebstrap --quiet --variant=extract --architectures="$arch" --include="$build,$tests${more:+,$more}" --format=directory \
	--aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' --aptopt='Acquire::Languages "none"' \
	"${not[@]/#/--dpkgopt=path-exclude=/usr/share/}" --skip=check/empty '' "$out" "$out.list" >&2
# what would be there had it been installed
ln -sf gawk "$out/usr/bin/awk"
[ -e "$out/bin/sh" ] || ln -s dash "$out/bin/sh"
echo 'root:x:0:0:root:/root:/bin/bash' >"$out/etc/passwd"
echo 'root:x:0:' >"$out/etc/group"
rm -rf "$out"/var/cache/apt/* "$out"/var/lib/apt/lists/*
