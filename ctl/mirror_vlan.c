// SPDX-License-Identifier: BSD-3-Clause

// VLAN interfaces on twins ("wan0.7"): what leaves by one, leaves by the twin's port with its tag.

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_private.h"

struct link {
	bool is_vlan;
	unsigned ifindex, parent;
	uint16_t id;
};

static int on_info_data(const struct nlattr *a, void *arg)
{
	struct link *l = arg;
	if (mnl_attr_get_type(a) == IFLA_VLAN_ID && mnl_attr_get_payload_len(a) >= 2)
		l->id = mnl_attr_get_u16(a);
	// Only the customer's tag (802.1Q) is one that workers write.
	if (mnl_attr_get_type(a) == IFLA_VLAN_PROTOCOL && mnl_attr_get_payload_len(a) >= 2 &&
	    ntohs(mnl_attr_get_u16(a)) != 0x8100)
		l->is_vlan = false;
	return MNL_CB_OK;
}

static void read_info(const struct nlattr *info, struct link *l)
{
	const struct nlattr *a, *data = NULL;
	mnl_attr_for_each_nested(a, info) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			l->is_vlan = strcmp(mnl_attr_get_str(a), "vlan") == 0;
		if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
	}
	if (l->is_vlan && data)
		mnl_attr_parse_nested(data, on_info_data, l);
}

static struct link read_link(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(msg);
	struct link l = { .ifindex = i->ifi_index };
	const struct nlattr *a;
	mnl_attr_for_each(a, msg, sizeof(*i)) {
		if (mnl_attr_get_type(a) == IFLA_LINK)
			l.parent = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == IFLA_LINKINFO)
			read_info(a, &l);
	}
	return l;
}

static struct vlan *vlan_find(const struct mirror *m, unsigned ifindex)
{
	struct vlan *v;
	TAILQ_FOREACH(v, &m->vlans, entry) {
		if (v->ifindex == ifindex)
			return v;
	}
	return NULL;
}

bool mirror_vlan_changed(struct mirror *m, const struct nlmsghdr *msg)
{
	struct link l = read_link(msg);
	struct vlan *v = vlan_find(m, l.ifindex);
	bool there = msg->nlmsg_type == RTM_NEWLINK && l.is_vlan &&
	             mirror_port_of_twin(m, l.parent) >= 0;
	if (v && !there) {
		TAILQ_REMOVE(&m->vlans, v, entry);
		free(v);
		return true;
	}
	if (!there || (v && v->twin == l.parent && v->id == l.id))
		return there;
	bool fresh = !v;
	if (fresh && !(v = calloc(1, sizeof(*v))))
		return false;
	*v = (struct vlan){ .ifindex = l.ifindex, .twin = l.parent, .id = l.id, .entry = v->entry };
	if (fresh)
		TAILQ_INSERT_TAIL(&m->vlans, v, entry);
	return true;
}

int mirror_way_of(const struct mirror *m, unsigned ifindex, uint16_t *vlan)
{
	const struct vlan *v = vlan_find(m, ifindex);
	*vlan = v ? v->id : 0;
	return mirror_port_of_twin(m, v ? v->twin : ifindex);
}
