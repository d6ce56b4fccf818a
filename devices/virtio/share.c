/* SPDX-License-Identifier: MIT */
/*
 * --share: a directory of the host for the guest, as virtio-fs, by a virtiofsd
 * that we start. A driver that comes finds a fresh one: virtiofsd speaks FUSE
 * to one mount in its life.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/backend/child.h"
#include "devices/registry.h"
#include "devices/virtio/vhost_user_frontend.h"

/* The high priority queue and one for requests (5.11.2): all that every virtiofsd has. */
#define SHARE_QUEUES 2
#define SHARE_QUEUE_SIZE 256
#define SHARE_TAG_MAX ((int)sizeof(((struct virtio_fs_config *)0)->tag))

struct share {
	struct vhost_user u;
	struct loop *loop;
	struct child *child;	/* NULL: none */
	char *name;		/* "--share TAG" */
	char *dir;		/* absolute */
	char *source, *sandbox;	/* arguments */
	char *program;
	bool read_only;
};

/* --- starting virtiofsd ---------------------------------------------------------- */

/*
 * A listening socket and a connection to it, which lies in its queue: nobody
 * else can come first, for the name is gone before it is of use to anybody.
 */
static int make_sockets(int *listener, int *conn)
{
	char dir[] = "/tmp/microvm-XXXXXX";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int ret = 0;

	if (!mkdtemp(dir))
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || *conn < 0 ||
	    bind(*listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(*listener, 1) < 0 ||
	    connect(*conn, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		ret = -errno;
	unlink(addr.sun_path);
	rmdir(dir);
	if (ret < 0) {
		close(*listener);
		close(*conn);
	}
	return ret;
}

static int share_dial(void *ctx)
{
	struct share *s = ctx;
	/* The words of the C virtiofsd, which the one in Rust knows too. */
	char *const argv[] = {
		s->program, "--fd=3", "-o", s->source, "-o", s->sandbox, "-o", "log_level=err",
		"--thread-pool-size=0",
		/* Only root may raise the limit. */
		geteuid() ? "--rlimit-nofile=0" : NULL, NULL,
	};
	int listener = -1;
	struct child_spec spec = {
		.name = s->name,
		.argv = argv,
		.fds = &listener,
		.n_fds = 1,
		.as_root = true,
		.read_only = s->read_only ? s->dir : NULL,
	};
	int conn = -1, ret = make_sockets(&listener, &conn);

	if (ret < 0) {
		log_error("%s: no socket in /tmp: %s", s->name, strerror(-ret));
		return ret;
	}
	ret = child_start(&s->child, s->loop, &spec);
	close(listener);
	if (ret < 0) {
		close(conn);
		return ret;
	}
	return conn;
}

static void share_hung_up(void *ctx)
{
	struct share *s = ctx;

	child_end(s->child);
	s->child = NULL;
}

static const struct vhost_user_source_ops share_source = {
	.dial = share_dial,
	.hung_up = share_hung_up,
};

/* As a mount without its server answers (5.11.6). */
static size_t share_refuse(const struct virtq_chain *chain)
{
	struct fuse_in_header in = { 0 };
	struct fuse_out_header out = { .len = sizeof(out), .error = -ENOTCONN };

	chain_read(chain, 0, &in, sizeof(in));
	out.unique = in.unique;
	return chain_write(chain, 0, &out, sizeof(out));
}

static const struct virtio_ops share_ops = {
	.name = "virtio-fs",
	.id = VIRTIO_ID_FS,
	.pci_class = 0x018000,	/* mass storage controller, other */
	VHOST_USER_OPS,
};

/* --- the option ---------------------------------------------------------------- */

static void share_free(struct share *s)
{
	free(s->name);
	free(s->dir);
	free(s->source);
	free(s->sandbox);
	free(s->program);
	free(s);
}

static char *find_program(const struct opt_value *opts)
{
	static const char *const places[] = {
		"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd",
		"/usr/local/libexec/virtiofsd",
	};
	const char *given = opt_value_get(opts, "virtiofsd");

	if (given)
		return access(given, X_OK) == 0 ? realpath(given, NULL) : NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], X_OK) == 0)
			return strdup(places[i]);
	errno = ENOENT;
	return NULL;
}

static int check_dir(struct share *s, const char *path)
{
	struct stat st;

	s->dir = realpath(path, NULL);
	if (!s->dir || stat(s->dir, &st) < 0)
		log_error("%s: %s: %m", s->name, path);
	else if (!S_ISDIR(st.st_mode))
		log_error("%s: %s: not a directory", s->name, path);
	/* virtiofsd takes its arguments apart. */
	else if (strpbrk(s->dir, ",\\"))
		log_error("%s: %s: a comma or a backslash in the path", s->name, path);
	else
		return 0;
	return -EINVAL;
}

static int check_tag(const char *label, const struct opt_value *opts)
{
	const char *path = strchr(opts->first, '=');

	if (path && path - opts->first <= SHARE_TAG_MAX)
		return 0;
	log_error("%s %.60s: TAG=DIR, where the guest mounts TAG, of up to %d bytes", label,
		  opts->first, SHARE_TAG_MAX);
	return -EINVAL;
}

static int share_prepare(struct share *s, const struct opt_value *opts,
			 struct virtio_fs_config *cfg)
{
	const char *sandbox = opt_value_get(opts, "sandbox");
	int tag_len = strchr(opts->first, '=') - opts->first;

	memcpy(cfg->tag, opts->first, tag_len);
	cfg->num_request_queues = 1;
	if (asprintf(&s->name, "--share %.*s", tag_len, opts->first) < 0) {
		s->name = NULL;
		return -ENOMEM;
	}
	if (check_dir(s, opts->first + tag_len + 1) < 0)
		return -EINVAL;
	s->program = find_program(opts);
	if (!s->program) {
		log_error("%s: no virtiofsd (%m): install the package virtiofsd or, on "
			  "Debian 12, qemu-system-common; virtiofsd=FILE names another", s->name);
		return -ENOENT;
	}
	s->read_only = opt_value_flag(opts, "ro", false);
	if (asprintf(&s->source, "source=%s", s->dir) < 0)
		s->source = NULL;
	if (asprintf(&s->sandbox, "sandbox=%s", sandbox ? sandbox : "namespace") < 0)
		s->sandbox = NULL;
	return s->source && s->sandbox ? 0 : -ENOMEM;
}

static int share_create(struct virtio_device **out, const struct virtio_env *env,
			const struct opt_value *opts)
{
	struct share *s = calloc(1, sizeof(*s));
	struct virtio_fs_config cfg = { 0 };
	struct vhost_user_params p;
	int ret = s ? share_prepare(s, opts, &cfg) : -ENOMEM;

	if (ret < 0)
		goto fail;
	s->loop = env->loop;
	p = (struct vhost_user_params){
		.ops = &share_ops,
		.name = s->name,
		.n_queues = SHARE_QUEUES,
		.queue_size = SHARE_QUEUE_SIZE,
		.config_len = sizeof(cfg),
		.config = &cfg,
		.renew = true,
		.refuse = share_refuse,
		.source = &share_source,
		.source_ctx = s,
	};
	ret = vhost_user_init(&s->u, &p, env->loop, env->mem);
	if (ret < 0)
		goto fail;
	*out = &s->u.v;
	return 0;

fail:
	if (s)
		share_free(s);
	return ret;
}

static void share_destroy(struct virtio_device *v)
{
	struct share *s = container_of(v, struct share, u.v);

	vhost_user_finish(&s->u);
	share_free(s);
}

const struct virtio_model virtio_share_model = {
	.external = true,
	.shares_ram = true,
	.name = "share",
	.arg = "TAG=DIR",
	.help = "directory for the guest: mount -t virtiofs TAG /mnt",
	.keys = (const struct opt_key[]){
		{ "ro", NULL, "read-only" },
		{ "sandbox", "namespace|chroot|none", "how virtiofsd confines itself (namespace)" },
		{ "virtiofsd", "FILE", "the program, if not in its usual place" },
		{ 0 },
	},
	.multiple = true,
	.check = check_tag,
	.create = share_create,
	.destroy = share_destroy,
};
