// SPDX-License-Identifier: BSD-3-Clause

#include "drops.h"

const struct drop_reason_info drop_reasons[DROP_REASON_COUNT] = {
#define X(name, help) [DROP_##name] = { #name, help },
	DROP_REASONS(X)
#undef X
};
