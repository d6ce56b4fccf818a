/* SPDX-License-Identifier: MIT */
/*
 * uinput keyboard|mouse|touch: a device of this kernel's. Prints its node, then does
 * what lines of standard input say, TYPE CODE VALUE, and prints what is written
 * to the device in the same form (but EV_SYN). Ends with its input.
 */
#include <fcntl.h>
#include <glob.h>
#include <linux/uinput.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define must(x) do { if ((x) < 0) { perror(#x); exit(1); } } while (0)

static void add_abs(int fd, int code, int min, int max)
{
	struct uinput_abs_setup abs = {
		.code = code, .absinfo = { .minimum = min, .maximum = max },
	};

	/* Numbers of slots and of touches have none. */
	if (code != ABS_MT_SLOT && code != ABS_MT_TRACKING_ID)
		abs.absinfo.resolution = 10;
	must(ioctl(fd, UI_ABS_SETUP, &abs));
}

static void keyboard(int fd)
{
	must(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	must(ioctl(fd, UI_SET_EVBIT, EV_LED));
	must(ioctl(fd, UI_SET_EVBIT, EV_REP));
	for (int code = KEY_ESC; code <= KEY_COMPOSE; code++)
		must(ioctl(fd, UI_SET_KEYBIT, code));
	for (int code = LED_NUML; code <= LED_SCROLLL; code++)
		must(ioctl(fd, UI_SET_LEDBIT, code));
}

static void mouse(int fd)
{
	must(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	must(ioctl(fd, UI_SET_EVBIT, EV_REL));
	for (int code = BTN_LEFT; code <= BTN_TASK; code++)
		must(ioctl(fd, UI_SET_KEYBIT, code));
	must(ioctl(fd, UI_SET_RELBIT, REL_X));
	must(ioctl(fd, UI_SET_RELBIT, REL_Y));
	must(ioctl(fd, UI_SET_RELBIT, REL_WHEEL));
}

static void touch(int fd)
{
	must(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	must(ioctl(fd, UI_SET_EVBIT, EV_ABS));
	must(ioctl(fd, UI_SET_KEYBIT, BTN_TOUCH));
	must(ioctl(fd, UI_SET_PROPBIT, INPUT_PROP_DIRECT));
	add_abs(fd, ABS_X, -50, 4095);
	add_abs(fd, ABS_Y, 0, 3000);
	add_abs(fd, ABS_MT_SLOT, 0, 4);
	add_abs(fd, ABS_MT_TRACKING_ID, 0, 65535);
	add_abs(fd, ABS_MT_POSITION_X, -50, 4095);
	add_abs(fd, ABS_MT_POSITION_Y, 0, 3000);
}

static void print_node(int fd)
{
	char name[32] = "", pattern[96];
	glob_t g;

	must(ioctl(fd, UI_GET_SYSNAME(sizeof(name)), name));
	snprintf(pattern, sizeof(pattern), "/sys/class/input/%s/event*", name);
	if (glob(pattern, 0, NULL, &g))
		exit(1);
	printf("/dev/input/%s\n", strrchr(g.gl_pathv[0], '/') + 1);
	fflush(stdout);
}

static void print_written(int fd)
{
	struct input_event e;

	while (read(fd, &e, sizeof(e)) == sizeof(e))
		if (e.type != EV_SYN)
			printf("%d %d %d\n", e.type, e.code, e.value);
	fflush(stdout);
}

static int obey(int fd)
{
	struct input_event e = { 0 };
	int type, code, value;
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return 0;
	if (sscanf(line, "%d %d %d", &type, &code, &value) == 3) {
		e.type = type;
		e.code = code;
		e.value = value;
		must(write(fd, &e, sizeof(e)));
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct uinput_setup setup = { .id = { BUS_USB, 0x1234, 0x5678, 0x9abc } };
	int fd = open("/dev/uinput", O_RDWR | O_NONBLOCK);
	struct pollfd polls[2] = { { .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	must(fd);
	if (argc != 2)
		return 2;
	(!strcmp(argv[1], "touch") ? touch : !strcmp(argv[1], "mouse") ? mouse : keyboard)(fd);
	snprintf(setup.name, sizeof(setup.name), "Host %s", argv[1]);
	must(ioctl(fd, UI_DEV_SETUP, &setup));
	must(ioctl(fd, UI_DEV_CREATE));
	print_node(fd);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		must(poll(polls, 2, -1));
		if (polls[1].revents)
			print_written(fd);
		if (polls[0].revents && !obey(fd))
			return 0;
	}
}
