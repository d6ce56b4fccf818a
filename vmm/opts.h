/* SPDX-License-Identifier: MIT */
/*
 * Options, the same on the command line and in files: a table of names, and
 * values of the form first,key=value,key=value.
 *
 * Before any thread starts. Errors are one line in the log that names the word
 * that was wrong, where it stood, and the nearest word that would have been
 * right; the functions then return -EINVAL.
 */
#ifndef MICROVM_OPTS_H
#define MICROVM_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --- values: "disk.img,ro,serial=7" ------------------------------------ */

#define OPT_MAX_PAIRS 16

struct opt_pair {
	const char *key, *value;	/* value NULL: the key alone */
};

/*
 * A value taken apart. The first element is "first" unless it is a key, or has
 * the form WORD=... where WORD could be one (lower-case letters, digits, '-');
 * so "./a=b.img" is a first element and "a=b.img" an unknown key. ",," stands
 * for a comma inside an element.
 */
struct opt_value {
	char *text;		/* owned; the strings below point into it */
	const char *first;	/* NULL: none */
	struct opt_pair pairs[OPT_MAX_PAIRS];
	unsigned n_pairs;
};

struct opt_key {
	const char *name;
	const char *arg;	/* "pci|mmio", "FILE"; NULL: a flag */
	const char *help;
};

/*
 * Takes @text apart and checks each key against @keys (ended by a NULL name).
 * An @arg of the form "a|b|c" limits the value to these words. A key may be
 * given once, or several times if its @arg ends in "...". @option is the name for error
 * messages. 0 or negative errno; @v needs no finish after an error.
 */
int opt_value_parse(struct opt_value *v, const char *option, const char *text,
		    const struct opt_key *keys);
/* The same for options whose first element is NAME=..., of any NAME that is not a key. */
int opt_value_parse_named(struct opt_value *v, const char *option, const char *text,
			  const struct opt_key *keys);
void opt_value_finish(struct opt_value *v);	/* again, or zeroed: no-op */
/* The value of @key, the first one; "" for a key alone; NULL when it is not there. */
const char *opt_value_get(const struct opt_value *v, const char *key);
/* Whether @key is there, with that value. */
bool opt_value_is(const struct opt_value *v, const char *key, const char *value);
/* A flag: key alone or =on, =off; @fallback when it is not there. */
bool opt_value_flag(const struct opt_value *v, const char *key, bool fallback);

/* Whether @words, of the form "a|b|c", has @word. */
bool opt_words_have(const char *words, const char *word);

/*
 * Sizes: decimal with K, M, G or T (powers of 1024; either case; 'iB' or 'B'
 * may follow). 0 or -EINVAL, -ERANGE.
 */
int opt_parse_size(const char *text, uint64_t *bytes);
/* Whole decimal numbers within [min, max]. 0 or -EINVAL, -ERANGE. */
int opt_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* --- the table --------------------------------------------------------- */

#define OPTS_MAX 64		/* in a table */
#define OPTS_FILE_MAX (64 << 10)	/* bytes */

/* Where an option stands, for set() and its messages. */
struct opt_at {
	const struct opt *opt;
	const char *label;	/* "--memory", "small.conf:3: memory" */
	const char *file;	/* NULL: the command line */
};

struct opt {
	const char *name;	/* without dashes */
	const char *arg;	/* as shown by help; NULL: a flag, whose values are on and off */
	const char *group;	/* heading in help */
	const char *help;	/* NULL: neither shown nor suggested */
	/*
	 * May be given several times. Otherwise a second one in the same file, or
	 * on the same command line, is an error; one on the command line and one
	 * in a file are not: set() is called for both, in their order.
	 */
	bool multiple;
	/*
	 * 0; or negative errno after one line in the log, which begins with
	 * at->label. @value is "on" for a flag alone; never holds control
	 * characters; valid during the call.
	 */
	int (*set)(void *config, const struct opt_at *at, const char *value);
	const void *data;	/* for set() */
};

/*
 * Command line: --name VALUE, --name=VALUE, one or two dashes, flags alone. A
 * VALUE that looks like an option of the table needs the form with '='. "--"
 * ends options; what follows, and words without a dash, are errors. argv[0] is
 * skipped. @opts ends with a NULL name. 0, -EINVAL, or what set() returned.
 */
int opts_parse_argv(const struct opt *opts, void *config, int argc, char *const argv[]);
/*
 * A file of "name = value" lines; '#' starts a comment at the start of a line
 * or after white space; a value may stand in double quotes, and in them \" and
 * \\ for these two characters. At most OPTS_FILE_MAX; regular files only. Errors
 * name file and line. 0 or negative errno.
 */
int opts_parse_file(const struct opt *opts, void *config, const char *path);
/* The same from memory; @name for messages. What the fuzzer drives. */
int opts_parse_text(const struct opt *opts, void *config, const char *name, const char *text,
		    size_t len);
/* Prints the options by group, in the table's order, within 80 columns. */
void opts_print(const struct opt *opts, FILE *out);
/* Help and the like have been printed. 0, or negative errno after a line: it did not arrive. */
int opts_printed(void);
/* The word of @words (NULL-ended) nearest to @word by edit distance, or NULL if none is near. */
const char *opts_nearest(const char *word, const char *const *words);

#endif
