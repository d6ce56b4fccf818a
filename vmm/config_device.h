/* SPDX-License-Identifier: MIT */
/*
 * The value of one device's option, for config.c: "stdio,bus=mmio" and back.
 * Before any thread starts.
 */
#ifndef MICROVM_CONFIG_DEVICE_H
#define MICROVM_CONFIG_DEVICE_H

#include "vmm/config.h"

/*
 * @dev->model is set; its opts need opt_value_finish() after 0. Negative errno
 * after one line in the log. "off" is for the caller.
 */
int config_device_parse(struct config_device *dev, const struct opt_at *at, const char *value);
/* As it is when nobody asks: the model's by_default. */
int config_device_default(struct config_device *dev);
/* The value as text, its paths as seen from beside @file; to be freed. NULL: no memory. */
char *config_device_text(const struct config_device *dev, const char *file);
/* Whether its data comes from or goes to the terminal. */
bool config_device_on_stdio(const struct config_device *dev);
void config_device_help(const struct virtio_model *model, FILE *out);

/*
 * @value, of the kind @arg ("FILE", "CHARDEV"), with a relative path in it taken
 * from the directory that @file is in; NULL: as it is. To be freed. NULL: no
 * memory.
 */
char *config_value_beside(const char *file, const char *arg, const char *value);
/* Whether @value can be of the kind @arg; -EINVAL after one line in the log if not. */
int config_value_check(const char *label, const char *arg, const char *value);

#endif
