/* SPDX-License-Identifier: MIT */
/* --input KIND,bus=usb, with the real microvm-gpu of the same build behind it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/registry.h"
#include "devices/usb/usb_models.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/until.h"
#include "tests/usb_host.h"

extern const struct virtio_model virtio_input_model;
extern const struct usb_model hid_model;

#define MODEL (&virtio_input_model)

/* What the option has beside what the model says. */
static const struct opt_key keys[] = {
	{ "bus", "", "" }, { "name", "", "" }, { "serial", "", "" }, { "evdev", "", "" }, { 0 },
};

struct t {
	struct loop *loop;
	struct gpu_process *process;
	struct virtio_env env;
	struct usb_bus bus;
	struct opt_value opts;
	struct usb_device *usb;
	int control;
};

static int begin(void **state, const char *text)
{
	struct t *t = calloc(1, sizeof(*t));

	*state = t;
	t->control = -1;
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(gpu_process_create(&t->process, t->loop, "guest"), 0);
	t->env = (struct virtio_env){ .loop = t->loop, .gpu = t->process };
	usb_bus_init(&t->bus, NULL, NULL);
	assert_int_equal(opt_value_parse(&t->opts, "--input", text, keys), 0);
	assert_int_equal(MODEL->check("--input", &t->opts), 0);
	assert_true(MODEL->is_here(&t->opts));
	return MODEL->announce(&t->env, &t->opts);
}

static int setup(void **state)
{
	char path[PATH_MAX];
	struct t *t;
	int port;

	assert_int_equal(begin(state, "keyboard,bus=usb,serial=7"), 0);
	t = *state;
	program_path(path, "microvm-gpu");
	assert_int_equal(gpu_process_set(t->process, path, NULL), 0);
	port = gpu_process_add(t->process, "control", "");
	assert_true(port >= 0);
	assert_int_equal(hid_model.create(&t->usb, &t->env, &t->opts), 0);
	usb_host_start(&t->bus, t->usb);
	t->control = gpu_process_visit(t->process, port);
	assert_true(t->control >= 0);
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->control >= 0)
		close(t->control);
	if (t->usb)
		hid_model.destroy(t->usb);
	gpu_process_destroy(t->process);
	opt_value_finish(&t->opts);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static bool fetch(struct t *t, uint8_t data[64])
{
	return usb_in(t->usb, 1, data, 64) > 0;
}

static void a_key_of_the_control_socket_arrives(void **state)
{
	static const char line[] = "{\"cmd\": \"key\", \"keys\": \"shift-b\"}\n";
	struct t *t = *state;
	uint8_t data[64];

	assert_string_equal(t->usb->descriptors->strings[2], "7");
	assert_false(fetch(t, data));
	/* It goes down when both have found each other, whoever was first. */
	for (data[2] = 0; data[2] != 5;) {
		assert_int_equal(write(t->control, line, sizeof(line) - 1), sizeof(line) - 1);
		UNTIL_IN(t->loop, fetch(t, data) && (data[2] == 5 || !data[0]));
	}
	assert_int_equal(data[0], 2);
	UNTIL_IN(t->loop, fetch(t, data) && !data[0] && !data[2]);
}

static void without_the_program_there_is_no_device(void **state)
{
	struct t *t;
	struct capture cap;

	assert_int_equal(begin(state, "tablet,bus=usb"), 0);
	t = *state;
	assert_int_equal(gpu_process_set(t->process, "/no/such", NULL), 0);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(hid_model.create(&t->usb, &t->env, &t->opts), -ENOENT);
	assert_true(capture_end_has(&cap, "--gpu: /no/such: No such file"));
	t->usb = NULL;
}

static void refused(const char *text, const char *why)
{
	struct opt_value opts;
	struct capture cap;

	assert_int_equal(opt_value_parse(&opts, "--input", text, keys), 0);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(MODEL->check("--input", &opts), -EINVAL);
	assert_true(capture_end_has(&cap, why));
	opt_value_finish(&opts);
}

static void what_usb_does_not_have_is_refused(void **state)
{
	refused("multitouch,bus=usb", "--input: bus=usb: keyboard, mouse or tablet\n");
	refused("evdev=/dev/input/event0,bus=usb", "--input: bus=usb: keyboard, mouse or tablet\n");
}

static void who_takes_bus_usb_has_a_device(void **state)
{
	(void)state;
	for (const struct virtio_model *const *option = virtio_models; *option; option++) {
		const struct usb_model *const *m = usb_models;

		while (*m && (*m)->option != *option)
			m++;
		assert_int_equal(!!*m, (*option)->usb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_of_the_control_socket_arrives, setup,
						teardown),
		cmocka_unit_test_teardown(without_the_program_there_is_no_device, teardown),
		cmocka_unit_test(what_usb_does_not_have_is_refused),
		cmocka_unit_test(who_takes_bus_usb_has_a_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
