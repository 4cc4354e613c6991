#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: setup_blender_root.sh SUITE DIR     a Debian with Blender, Xvfb and ImageMagick in a folder (root; needs debootstrap)
set -eu
suite=$1 dir=$2
if [ ! -f "$dir/complete" ]; then
  rm -rf --one-file-system "$dir"
  debootstrap --variant=minbase "$suite" "$dir" >/dev/null
  echo 'Acquire::Check-Valid-Until "false";' > "$dir/etc/apt/apt.conf.d/99valid"
  printf '#!/bin/sh\nexit 101\n' > "$dir/usr/sbin/policy-rc.d"
  chmod +x "$dir/usr/sbin/policy-rc.d"
  chroot "$dir" sh -c 'export DEBIAN_FRONTEND=noninteractive
    apt-get -q update && apt-get -qq install -y --no-install-recommends \
      blender python3-numpy python3-requests python3-cattr \
      xvfb x11-apps imagemagick libgl1-mesa-dri libegl1 fonts-dejavu-core && apt-get clean' >/dev/null
  touch "$dir/complete"
fi
chroot "$dir" blender --version | head -n 1
