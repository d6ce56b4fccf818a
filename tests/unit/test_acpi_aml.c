/* SPDX-License-Identifier: MIT */
/*
 * What the AML says when it is run: asked of ACPICA's own tools, where
 * acpica-tools is installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/x86/layout.h"
#include "devices/acpi_ged.h"
#include "devices/pci.h"
#include "tests/acpi_tables.h"
#include "vmm/util.h"

static void tools_write(const char *dir, const char *name, const struct acpi_table *table)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(table->p, 1, table->len, f), table->len);
	fclose(f);
}

/* Writes the tables into a new directory. */
static void tools_begin(const struct acpi_tables *t, char dir[32])
{
	snprintf(dir, 32, "/tmp/acpi.XXXXXX");
	assert_non_null(mkdtemp(dir));
	tools_write(dir, "xsdt", &t->xsdt);
	tools_write(dir, "facp", &t->fadt);
	tools_write(dir, "apic", &t->madt);
	tools_write(dir, "mcfg", &t->mcfg);
	tools_write(dir, "dsdt", &t->dsdt);
	tools_write(dir, "ssdt", &t->ssdt);
}

static void tools_end(const char *dir)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static FILE *tools_start(const char *dir, const char *command)
{
	char line[2048];
	FILE *f;

	assert_true(snprintf(line, sizeof(line), "cd %s && %s 2>&1", dir, command) <
		    (int)sizeof(line));
	f = popen(line, "r");
	assert_non_null(f);
	return f;
}

/* What the command printed; to be freed. */
static char *tools_wait(FILE *f)
{
	const size_t size = 1 * MiB;
	char *out = calloc(1, size);

	assert_non_null(out);
	assert_true(fread(out, 1, size - 1, f) < size - 1);
	assert_int_equal(pclose(f), 0);
	return out;
}

static bool tools_have(const char *tool)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	return system(command) == 0;
}

static void tables_disassemble_without_complaint(void **state)
{
	static const char *const commands[] = {
		"iasl -d xsdt", "iasl -d facp", "iasl -d apic", "iasl -d mcfg",
		"iasl -e ssdt -d dsdt", "iasl -e dsdt -d ssdt",
		"cat xsdt.dsl facp.dsl apic.dsl mcfg.dsl dsdt.dsl ssdt.dsl",
	};
	char dir[32];

	if (!tools_have("iasl"))
		skip();
	tools_begin(*state, dir);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		char *out = tools_wait(tools_start(dir, commands[i]));

		if (strcasestr(out, "error") || strcasestr(out, "warning") ||
		    strcasestr(out, "unknown") || strcasestr(out, "invalid"))
			fail_msg("%s: %s", commands[i], out);
		free(out);
	}
	tools_end(dir);
}

static void disassembled_dsdt_compiles_again(void **state)
{
	char dir[32];

	if (!tools_have("iasl"))
		skip();
	tools_begin(*state, dir);
	free(tools_wait(tools_start(dir, "iasl -e ssdt -d dsdt")));
	free(tools_wait(tools_start(dir, "iasl -we -f dsdt.dsl")));
	tools_end(dir);
}

/*
 * What ACPICA's interpreter makes of three machines. It is slow to end, so
 * each runs it once, side by side.
 */
enum machine { TWO_CPUS, MANY_CPUS, NO_MEM64, MACHINES };

static const struct x86_acpi machines[MACHINES] = {
	[TWO_CPUS] = { 2, 0x800000000, X86_PCI_MEM64_SIZE, 3, true, true },
	[MANY_CPUS] = { 255, 0x10000000000, 0x10000000000, X86_VIRTIO_MMIO_SLOTS, true, false },
	[NO_MEM64] = { 1, 0, 0, 0, false, true },
};

#define OSC_UUID "(5B 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66)"
#define OSC_OTHER_UUID "(00 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66)"
#define OSC_CAPABILITIES "(00 00 00 00 1F 01 00 00 BF 00 00 00)"
#define OSC(uuid, revision) \
	"evaluate \\_SB.PCI0._OSC " uuid " " revision " 3 " OSC_CAPABILITIES ";"

/* Reading a port gives 1 (-fv). */
static const char interpreter[] = "acpiexec -fv 1 -b '"
	"evaluate \\_S5;"
	"evaluate \\_SB.COM1._STA;"
	"evaluate \\_SB.VIO0._STA;"
	"evaluate \\_SB.VIO2._STA;"
	"evaluate \\_SB.VIO3._STA;"
	"evaluate \\_SB.VIO7._STA;"
	"evaluate \\_SB.C000._UID;"
	"evaluate \\_SB.C0FE._UID;"
	"evaluate \\_SB.C0FE._HID;"
	"evaluate \\_SB.GED._EVT 9;"
	"evaluate \\_SB.PCI0._PRT;"
	OSC(OSC_UUID, "1") OSC(OSC_OTHER_UUID, "1") OSC(OSC_UUID, "2")
	"resources \\_SB.PCI0"
	"' dsdt ssdt";

static char *transcripts[MACHINES];

static int run_interpreter(void **state)
{
	FILE *runs[MACHINES];
	char dirs[MACHINES][32];

	if (!tools_have("acpiexec"))
		return 0;
	for (unsigned i = 0; i < MACHINES; i++) {
		struct acpi_tables *t;

		acpi_tables_setup((void **)&t);
		t->acpi = machines[i];
		acpi_tables_build(t);
		tools_begin(t, dirs[i]);
		runs[i] = tools_start(dirs[i], interpreter);
		acpi_tables_teardown((void **)&t);
	}
	for (unsigned i = 0; i < MACHINES; i++) {
		transcripts[i] = tools_wait(runs[i]);
		tools_end(dirs[i]);
	}
	return 0;
}

static int drop_transcripts(void **state)
{
	for (unsigned i = 0; i < MACHINES; i++)
		free(transcripts[i]);
	return 0;
}

/* What the machine says to the @nth evaluation of @name; to be freed. */
static char *said(enum machine m, const char *name, unsigned nth)
{
	char head[64], *at = transcripts[m], *end;

	if (!at)
		skip();
	snprintf(head, sizeof(head), "Evaluating %s\n", name);
	for (unsigned i = 0; i <= nth; i++) {
		at = strstr(at, head);
		if (!at)
			fail_msg("no '%s' in %s", head, transcripts[m]);
		at += strlen(head);
	}
	end = strstr(at, "\nEvaluating ");
	return end ? strndup(at, end - at) : strdup(at);
}

/* These words, in turn. */
static void assert_says(enum machine m, const char *name, unsigned nth, const char *const *words)
{
	char *text = said(m, name, nth), *at = text;

	if (strcasestr(text, "error") || strstr(text, "AE_"))
		fail_msg("%s: %s", name, text);
	for (; *words; words++) {
		at = strstr(at, *words);
		if (!at) {
			fail_msg("%s: no '%s' in %s", name, *words, text);
			return;
		}
		at += strlen(*words);
	}
	free(text);
}
#define SAYS(m, name, ...) assert_says(m, name, 0, (const char *const []){ __VA_ARGS__, NULL })
#define SAYS_NTH(m, name, nth, words) \
	assert_says(m, name, nth, (const char *const []){ words, NULL })

static void all_that_is_run_runs_without_error(void **state)
{
	for (unsigned m = 0; m < MACHINES; m++) {
		char *end;

		if (!transcripts[m])
			skip();
		/* The command "resources" goes on to set them, which none of ours can. */
		end = strstr(transcripts[m], "Evaluating _SRS");
		assert_non_null(end);
		*end = 0;
		if (strcasestr(transcripts[m], "error") || strcasestr(transcripts[m], "warning"))
			fail_msg("%s", transcripts[m]);
	}
}

static void status_says_what_is_there(void **state)
{
	SAYS(TWO_CPUS, "\\_SB.COM1._STA", "[Integer] = 000000000000000F");
	SAYS(TWO_CPUS, "\\_SB.VIO2._STA", "[Integer] = 000000000000000F");
	SAYS(TWO_CPUS, "\\_SB.VIO3._STA", "[Integer] = 0000000000000000");
	SAYS(MANY_CPUS, "\\_SB.VIO7._STA", "[Integer] = 000000000000000F");
	SAYS(NO_MEM64, "\\_SB.COM1._STA", "[Integer] = 0000000000000000");
	SAYS(NO_MEM64, "\\_SB.VIO0._STA", "[Integer] = 0000000000000000");
}

static void every_cpu_has_a_device_with_its_uid(void **state)
{
	SAYS(NO_MEM64, "\\_SB.C000._UID", "[Integer] = 0000000000000000");
	SAYS(MANY_CPUS, "\\_SB.C0FE._UID", "[Integer] = 00000000000000FE");
	SAYS(MANY_CPUS, "\\_SB.C0FE._HID", "\"ACPI0007\"");
}

static void s5_is_the_sleep_type_of_the_event_device(void **state)
{
	char type[64];

	snprintf(type, sizeof(type), "[Integer] = %016X", ACPI_GED_SLP_TYP_S5);
	SAYS(TWO_CPUS, "\\_S5", "4 Elements", type);
}

static void event_method_notifies_the_power_button(void **state)
{
	_Static_assert(ACPI_GED_EVENT_POWER == 1, "what a port gives here");

	const char *at;

	SAYS(TWO_CPUS, "\\_SB.GED._EVT", "No object was returned");
	/* acpiexec hands notifications to a thread, which may speak later. */
	at = strstr(transcripts[TWO_CPUS], "Notify on [PWRB]");
	assert_non_null(at);
	assert_non_null(strstr(at, "Value 0x80"));
}

static void interrupts_of_slots_go_round(void **state)
{
	char *text = said(TWO_CPUS, "\\_SB.PCI0._PRT", 0), *at = text;

	assert_non_null(strstr(text, "Contains 128 Elements"));
	for (unsigned i = 0; i < PCI_BUS_SLOTS * 4; i++) {
		unsigned slot = i / 4, pin = i % 4;
		uint64_t v[4];

		for (unsigned n = 0; n < 4; n++) {
			at = strstr(at, "[Integer] = ");
			assert_non_null(at);
			at += strlen("[Integer] = ");
			v[n] = strtoull(at, NULL, 16);
		}
		assert_int_equal(v[0], slot << 16 | 0xffff);
		assert_int_equal(v[1], pin);
		assert_int_equal(v[2], 0);
		assert_int_equal(v[3], X86_INTX_GSI + (slot + pin) % PCI_BUS_INTX_LINES);
	}
	free(text);
}

static void host_bridge_has_its_64_bit_window(void **state)
{
	SAYS(TWO_CPUS, "_CRS", "Bus Number Range", "32-Bit DWORD", "64-Bit QWORD",
	     "Address Minimum : 0000000800000000", "Address Maximum : 0000000FFFFFFFFF",
	     "Address Length : 0000000800000000");
	SAYS(MANY_CPUS, "_CRS", "Bus Number Range", "32-Bit DWORD", "64-Bit QWORD",
	     "Address Minimum : 0000010000000000", "Address Maximum : 000001FFFFFFFFFF",
	     "Address Length : 0000010000000000");
}

static void host_bridge_without_a_64_bit_window_has_none(void **state)
{
	char *text = said(NO_MEM64, "_CRS", 0);

	assert_non_null(strstr(text, "32-Bit DWORD"));
	assert_null(strstr(text, "64-Bit QWORD"));
	free(text);
}

static void host_bridge_has_a_vga_card_s_ports_and_window(void **state)
{
	char *text = said(MANY_CPUS, "_CRS", 0);

	SAYS(TWO_CPUS, "_CRS", "Address Minimum : 03B0", "Address Maximum : 03DF",
	     "Address Minimum : 000A0000", "Address Maximum : 000BFFFF", "32-Bit DWORD",
	     "64-Bit QWORD");
	SAYS(NO_MEM64, "_CRS", "Address Minimum : 03B0", "Address Maximum : 03DF",
	     "Address Minimum : 000A0000", "Address Maximum : 000BFFFF", "Bus Number Range");
	assert_null(strstr(text, "000A0000"));
	assert_null(strstr(text, "03B0"));
	free(text);
}

static void os_gets_control_of_all_it_asks_for(void **state)
{
	SAYS_NTH(TWO_CPUS, "\\_SB.PCI0._OSC", 0, "00 00 00 00 1F 01 00 00 BF 00 00 00");
}

static void osc_of_another_uuid_or_revision_is_refused(void **state)
{
	SAYS_NTH(TWO_CPUS, "\\_SB.PCI0._OSC", 1, "04 00 00 00 1F");
	SAYS_NTH(TWO_CPUS, "\\_SB.PCI0._OSC", 2, "08 00 00 00 1F");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACPI_TEST(tables_disassemble_without_complaint),
		ACPI_TEST(disassembled_dsdt_compiles_again),
		ACPI_TEST(all_that_is_run_runs_without_error),
		ACPI_TEST(status_says_what_is_there),
		ACPI_TEST(every_cpu_has_a_device_with_its_uid),
		ACPI_TEST(s5_is_the_sleep_type_of_the_event_device),
		ACPI_TEST(event_method_notifies_the_power_button),
		ACPI_TEST(interrupts_of_slots_go_round),
		ACPI_TEST(host_bridge_has_its_64_bit_window),
		ACPI_TEST(host_bridge_without_a_64_bit_window_has_none),
		ACPI_TEST(host_bridge_has_a_vga_card_s_ports_and_window),
		ACPI_TEST(os_gets_control_of_all_it_asks_for),
		ACPI_TEST(osc_of_another_uuid_or_revision_is_refused),
	};

	return cmocka_run_group_tests(tests, run_interpreter, drop_transcripts);
}
