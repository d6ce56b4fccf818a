/* SPDX-License-Identifier: MIT */
#include "tests/vhost_rig.h"

static const struct virtio_ops ops = {
	.name = "virtio-echo",
	.id = 0x3e,
	.pci_class = 0xff0000,
	VHOST_USER_OPS,
};

void vhost_rig_init(struct vhost_rig *t, enum vrig_kind kind)
{
	*t = (struct vhost_rig){ .made = false };
	vrig_init(&t->r, kind);
	t->r.racing = true;
	vb_init(&t->b);
	t->p = (struct vhost_user_params){
		.ops = &ops,
		.name = "test",
		.n_queues = VB_QUEUES,
		.queue_size = 16,
		.features = BIT(3) | BIT(4),
		.config_len = VB_CONFIG_LEN,
		.timeout_ns = VHOST_RIG_PATIENCE_NS,
		.redial_ns = 1000000,
		.source = &vb_source,
		.source_ctx = &t->b,
	};
}

int vhost_rig_make(struct vhost_rig *t)
{
	int ret = vhost_user_init(&t->u, &t->p, t->r.fake.loop, &t->r.fake.mem);

	t->made = ret == 0;
	if (t->made)
		vrig_plug(&t->r, &t->u.v);
	return ret;
}

void vhost_rig_finish(struct vhost_rig *t)
{
	if (t->made) {
		vrig_unplug(&t->r);
		vhost_user_finish(&t->u);
	}
	vb_finish(&t->b);
	vrig_finish(&t->r);
}
