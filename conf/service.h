// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Services as the files of conf/ share them.

#include "read.h"

void conf_read_service(struct conf_reader *r, json_t *o, const char *path, void *out);
// The list "local_addresses" into a struct conf_local.
void conf_read_local(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out);
void conf_default_name(const struct conf_service *s, char name[static CONF_SERVICE_NAME_MAX]);
