/* SPDX-License-Identifier: MIT */
/* Screenshots: a picture, its pointer included, as a PNG of 8-bit RGB. Loop thread. */
#ifndef MICROVM_SCREENSHOT_H
#define MICROVM_SCREENSHOT_H

#include "devices/ui/picture.h"

/*
 * Writes @p to @fd from where that stands. 0; -ENODATA when nothing is shown,
 * -ENOMEM, or the errno of write(2), and then part of a file may have been
 * written.
 */
int screenshot_write(const struct picture *p, int fd);

#endif
